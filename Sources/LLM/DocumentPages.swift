/// How many pages a request gives to be read (`/v1/ocr`).
struct DocumentPages: BitwiseCopyable, Sendable {
    /// Mistral takes no longer documents.
    static let limit: Int16 = 1000

    /// The document is a picture: one page.
    var isPicture = false
    var areAnnotated = false
    /// Pages that are named; -1: all, or it is not said in numbers.
    var listed: Int16 = -1

    /// - Parameter isNested: within a list, which says nothing.
    mutating func beginList(isNested: Bool) { listed = isNested ? -1 : 0 }

    /// A number in the list, which may have been spoilt before.
    mutating func add() { if listed >= 0 { listed = min(listed &+ 1, Self.limit) } }

    var most: Int64 { isPicture ? 1 : Int64(listed < 0 ? Self.limit : max(listed, 1)) }
}
