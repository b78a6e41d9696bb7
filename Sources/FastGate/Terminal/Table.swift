/// Columns for people: as wide as their widest cell, two blanks apart. On a terminal that is too narrow the columns that
/// may shrink do, the widest first.
struct Table {
    enum Alignment {
        case left, right
    }

    struct Column {
        let title: String
        let alignment: Alignment
        /// Whether its cells may be cut.
        let shrinks: Bool

        init(_ title: String, _ alignment: Alignment = .left, shrinks: Bool = false) {
            self.title = title
            self.alignment = alignment
            self.shrinks = shrinks
        }
    }

    struct Cell: ExpressibleByStringInterpolation {
        let text: String
        let look: Style.Look?

        init(_ text: String, _ look: Style.Look? = nil) {
            self.text = printable(text)
            self.look = look
        }

        init(stringLiteral text: String) { self.init(text) }
    }

    /// What a column is never narrower than, if its cells are wider.
    private static let minimumWidth = 6

    private let columns: [Column]
    private(set) var rows: [[Cell]] = []
    /// Left out where titles would only be in the way.
    var hasTitles = true

    init(_ columns: [Column]) { self.columns = columns }

    /// Names and values, one pair a line.
    init(pairs: [(String, Cell)], shrinks: Bool = false) {
        columns = [Column(""), Column("", shrinks: shrinks)]
        hasTitles = false
        for (name, value) in pairs { rows.append([Cell(name, .dim), value]) }
    }

    /// One cell for each column; control characters are shown as escapes.
    mutating func add(_ cells: [Cell]) {
        precondition(cells.count == columns.count)
        rows.append(cells)
    }

    /// The lines, the titles first.
    ///
    /// - Parameter width: of the terminal; nil for none, and then nothing is cut.
    func lines(width: Int? = nil, style: Style = .plain) -> [String] {
        let titles = columns.map { Cell($0.title, .bold) }
        let all = (hasTitles ? [titles] : []) + rows
        let widths = widths(all, width)
        return all.map { row in
            var line = ""
            var pending = ""
            for (index, cell) in row.enumerated() {
                let text = TextWidth.cut(cell.text, to: widths[index])
                let padding = String(repeating: " ", count: widths[index] - TextWidth.of(text))
                let isRight = columns[index].alignment == .right
                if isRight { pending += padding }
                // Blanks at the end of a line help nobody.
                if !text.isEmpty {
                    line += pending + style(text, cell.look)
                    pending = ""
                }
                pending += (isRight ? "" : padding) + "  "
            }
            return line
        }
    }

    private func widths(_ rows: [[Cell]], _ limit: Int?) -> [Int] {
        var widths = columns.indices.map { column in rows.map { TextWidth.of($0[column].text) }.max() ?? 0 }
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + 2 * max(0, widths.count - 1) - limit
        while excess > 0 {
            let candidates = columns.indices.filter { columns[$0].shrinks && widths[$0] > Self.minimumWidth }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }
}
