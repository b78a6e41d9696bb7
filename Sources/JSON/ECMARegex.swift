/// Puts a regular expression of ECMA-262 (with the `u` flag, as JSON Schema advises) into PCRE2's words.
///
/// What the two understand differently is translated: `\d \w \s \b` and `.`, `\v`, `\cX`, `\uXXXX` with surrogate pairs,
/// `\u{…}`, `\p{…}` with long names, `[]`, `[^]`, `[` inside a class, braces that are no quantifier. What only PCRE2 has
/// (`(*VERB)`, `(?i)`, `(?>…)`, `(?R)`, possessive quantifiers, `\A`, `\Z`, `\Q`, `\K`, `\h` …) is refused. Like browsers
/// without the flag, and unlike the flag, any punctuation may be escaped and lone braces and brackets are literal.
struct ECMARegex {
    private let source: [UInt8]
    private var i = 0
    private var out: [UInt8] = []
    /// Whether what comes before may take a quantifier.
    private var canRepeat = false

    static func translated(_ source: String) throws(SchemaPattern.Failure) -> [UInt8] {
        var translator = ECMARegex(source: Array(source.utf8))
        try translator.run()
        return translator.out
    }

    private init(source: [UInt8]) { self.source = source }

    private mutating func emit(_ text: String) { out.append(contentsOf: text.utf8) }

    private mutating func emitCodePoint(_ scalar: UInt32) { emit("\\x{\(String(scalar, radix: 16))}") }

    private func byte(_ ahead: Int = 0) -> UInt8 { i + ahead < source.count ? source[i + ahead] : 0 }

    private mutating func run() throws(SchemaPattern.Failure) {
        while i < source.count {
            let c = source[i]
            i += 1
            switch c {
            case UInt8(ascii: "\\"):
                try escape(inClass: false)
            case UInt8(ascii: "."):
                emit("[^\\n\\r\\x{2028}\\x{2029}]")
                canRepeat = true
            case UInt8(ascii: "["):
                try characterClass()
                canRepeat = true
            case UInt8(ascii: "("):
                try groupStart()
                canRepeat = false
            case UInt8(ascii: ")"):
                out.append(c)
                canRepeat = true
            case UInt8(ascii: "|"), UInt8(ascii: "^"), UInt8(ascii: "$"):
                out.append(c)
                canRepeat = false
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
                try quantifier(String(UnicodeScalar(c)))
            case UInt8(ascii: "{"):
                if let text = countedQuantifier() {
                    try quantifier(text)
                } else {
                    emit("\\{")
                    canRepeat = true
                }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                out.append(UInt8(ascii: "\\"))
                out.append(c)
                canRepeat = true
            default:
                out.append(c)
                canRepeat = true
            }
        }
    }

    private mutating func quantifier(_ text: String) throws(SchemaPattern.Failure) {
        guard canRepeat else { throw .syntax("there is nothing to repeat before '\(text)'") }
        emit(text)
        if byte() == UInt8(ascii: "?") {
            emit("?")
            i += 1
        }
        canRepeat = false
    }

    /// `n}`, `n,}` or `n,m}` at hand: consumes it and returns it with its opening brace.
    private mutating func countedQuantifier() -> String? {
        var k = i
        func skipDigits() -> Bool {
            let from = k
            while k < source.count, source[k] &- UInt8(ascii: "0") < 10 { k += 1 }
            return k > from
        }
        guard skipDigits() else { return nil }
        if k < source.count, source[k] == UInt8(ascii: ",") {
            k += 1
            _ = skipDigits()
        }
        guard k < source.count, source[k] == UInt8(ascii: "}") else { return nil }
        defer { i = k + 1 }
        return "{" + String(decoding: source[i...k], as: UTF8.self)
    }

    private mutating func groupStart() throws(SchemaPattern.Failure) {
        emit("(")
        if byte() == UInt8(ascii: "*") { throw .syntax("there is nothing to repeat after '('") }
        guard byte() == UInt8(ascii: "?") else { return }
        for start in ["?:", "?=", "?!", "?<=", "?<!"] where source[i...].starts(with: start.utf8) {
            emit(start)
            i += start.utf8.count
            return
        }
        guard byte(1) == UInt8(ascii: "<") else { throw .syntax("a group begins with '(?' but is of no known kind") }
        i += 1
        emit("?")
        try groupName()
    }

    /// `<name>` at hand.
    private mutating func groupName() throws(SchemaPattern.Failure) {
        guard byte() == UInt8(ascii: "<"),
            let end = source[i...].firstIndex(of: UInt8(ascii: ">"))
        else { throw .syntax("a group name is missing") }
        let name = source[(i + 1)..<end]
        let isWord = name.allSatisfy { c in
            c &- UInt8(ascii: "0") < 10 || (c | 0x20) &- UInt8(ascii: "a") < 26 || c == UInt8(ascii: "_")
        }
        guard isWord, !name.isEmpty else { throw .syntax("a group name may have only ASCII letters, digits and '_'") }
        out.append(contentsOf: source[i...end])
        i = end + 1
    }

    private mutating func characterClass() throws(SchemaPattern.Failure) {
        let negated = byte() == UInt8(ascii: "^")
        if negated { i += 1 }
        if byte() == UInt8(ascii: "]") {
            i += 1
            // No character, or any.
            emit(negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)")
            return
        }
        emit(negated ? "[^" : "[")
        while i < source.count {
            let c = source[i]
            i += 1
            switch c {
            case UInt8(ascii: "]"):
                emit("]")
                return
            case UInt8(ascii: "["): emit("\\[")
            case UInt8(ascii: "\\"): try escape(inClass: true)
            default: out.append(c)
            }
        }
        throw .syntax("a character class does not end")
    }

    private static let space =
        "\\t\\n\\x{b}\\f\\r\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
    /// All that is not space, for use inside a class, where a complement cannot be written.
    private static let notSpace =
        "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
        + "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{d7ff}\\x{e000}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

    /// What follows a backslash, which is consumed.
    private mutating func escape(inClass: Bool) throws(SchemaPattern.Failure) {
        guard i < source.count else { throw .syntax("the pattern ends with a backslash") }
        let c = source[i]
        i += 1
        canRepeat = true
        switch c {
        // Without PCRE2_UCP these are ASCII, as in ECMA-262.
        case UInt8(ascii: "d"), UInt8(ascii: "D"), UInt8(ascii: "w"), UInt8(ascii: "W"):
            out.append(UInt8(ascii: "\\"))
            out.append(c)
        case UInt8(ascii: "s"): emit(inClass ? Self.space : "[\(Self.space)]")
        case UInt8(ascii: "S"): emit(inClass ? Self.notSpace : "[^\(Self.space)]")
        case UInt8(ascii: "t"), UInt8(ascii: "n"), UInt8(ascii: "f"), UInt8(ascii: "r"):
            out.append(UInt8(ascii: "\\"))
            out.append(c)
        case UInt8(ascii: "v"): emitCodePoint(0x0B)
        case UInt8(ascii: "b"), UInt8(ascii: "B"):
            if inClass {
                guard c == UInt8(ascii: "b") else { throw .syntax("\\B has no place in a class") }
                emitCodePoint(0x08)
            } else {
                out.append(UInt8(ascii: "\\"))
                out.append(c)
                canRepeat = false
            }
        case UInt8(ascii: "0"):
            guard byte() &- UInt8(ascii: "0") >= 10 else { throw .syntax("octal escapes are not supported") }
            emitCodePoint(0)
        case UInt8(ascii: "1")...UInt8(ascii: "9"):
            guard !inClass else { throw .syntax("a back reference has no place in a class") }
            var number = [c]
            while byte() &- UInt8(ascii: "0") < 10 {
                number.append(source[i])
                i += 1
            }
            emit("\\g{\(String(decoding: number, as: UTF8.self))}")
        case UInt8(ascii: "k"):
            guard !inClass else { throw .syntax("a back reference has no place in a class") }
            emit("\\k")
            try groupName()
        case UInt8(ascii: "c"):
            let letter = byte() | 0x20
            guard letter &- UInt8(ascii: "a") < 26 else { throw .syntax("\\c needs a letter") }
            emitCodePoint(UInt32(letter & 0x1F))
            i += 1
        case UInt8(ascii: "x"): emitCodePoint(try hex(2))
        case UInt8(ascii: "u"): try unicodeEscape()
        case UInt8(ascii: "p"), UInt8(ascii: "P"): try property(negated: c == UInt8(ascii: "P"))
        default:
            let isLetter = (c | 0x20) &- UInt8(ascii: "a") < 26
            guard !isLetter, c < 0x80 else {
                throw .syntax("\\\(isLetter ? String(UnicodeScalar(c)) : "…") is not an escape of ECMA-262")
            }
            if c != UInt8(ascii: "_") { out.append(UInt8(ascii: "\\")) }
            out.append(c)
        }
    }

    private mutating func hex(_ digits: Int) throws(SchemaPattern.Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<digits {
            let digit = JSONEscape.hexDigit(byte())
            guard digit >= 0 else { throw .syntax("a hexadecimal digit is missing") }
            value = value << 4 | UInt32(digit)
            i += 1
        }
        return value
    }

    /// After `\u`.
    private mutating func unicodeEscape() throws(SchemaPattern.Failure) {
        if byte() == UInt8(ascii: "{") {
            i += 1
            var value: UInt32 = 0
            var count = 0
            while byte() != UInt8(ascii: "}") {
                value = value << 4 | (try hex(1))
                count += 1
                guard value <= 0x10FFFF, count <= 16 else { throw .syntax("\\u{…} is beyond Unicode") }
            }
            guard count > 0, UnicodeScalar(value) != nil else { throw .syntax("\\u{…} is no character") }
            i += 1
            emitCodePoint(value)
            return
        }
        let unit = try hex(4)
        if unit & 0xFC00 == 0xD800, byte() == UInt8(ascii: "\\"), byte(1) == UInt8(ascii: "u") {
            i += 2
            let low = try hex(4)
            guard low & 0xFC00 == 0xDC00 else { throw .syntax("a surrogate stands alone") }
            emitCodePoint(0x10000 + ((unit & 0x3FF) << 10 | low & 0x3FF))
            return
        }
        guard UnicodeScalar(unit) != nil else { throw .syntax("a surrogate stands alone") }
        emitCodePoint(unit)
    }

    /// After `\p` or `\P`.
    private mutating func property(negated: Bool) throws(SchemaPattern.Failure) {
        guard byte() == UInt8(ascii: "{"), let end = source[i...].firstIndex(of: UInt8(ascii: "}")) else {
            throw .syntax("\\p needs a property in braces")
        }
        let text = String(decoding: source[(i + 1)..<end], as: UTF8.self)
        i = end + 1
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard
            parts.allSatisfy({ part in
                !part.isEmpty && part.utf8.allSatisfy { ($0 | 0x20) &- 97 < 26 || $0 &- 48 < 10 || $0 == 95 }
            })
        else { throw .syntax("\\p{\(text)} is not a property") }
        let name: String
        if parts.count == 1 {
            name = Self.categories[text] ?? text
        } else {
            switch parts[0] {
            case "General_Category", "gc": name = Self.categories[parts[1]] ?? parts[1]
            case "Script", "sc": name = "sc:" + parts[1]
            case "Script_Extensions", "scx": name = "scx:" + parts[1]
            default: throw .syntax("\\p{\(text)} is not a property")
            }
        }
        emit("\\\(negated ? "P" : "p"){\(name)}")
    }

    /// PCRE2 knows general categories by their short names only.
    private static let categories: [String: String] = [
        "Letter": "L", "Cased_Letter": "L&", "LC": "L&", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll",
        "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Combining_Mark": "M",
        "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd",
        "digit": "Nd", "Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "punct": "P",
        "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe",
        "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf", "Other_Punctuation": "Po", "Symbol": "S",
        "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So", "Separator": "Z",
        "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp", "Other": "C", "Control": "Cc",
        "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co", "Unassigned": "Cn",
    ]
}
