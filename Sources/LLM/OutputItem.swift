/// An item of what OpenAI's Responses API puts out, as far as it tells of a search in the web or in files. A call for the web
/// may also have opened a page or looked for something in one: "search actions incur a tool call cost", the others none. A
/// search in files is one, whatever number of `queries` it has.
struct OutputItem: BitwiseCopyable, Sendable {
    private enum Call: UInt8, BitwiseCopyable { case none, web, file }

    // One byte: the reader has none to spare.
    private var bits: UInt8 = 0
    private static var done: UInt8 { 4 }
    private static var other: UInt8 { 8 }

    mutating func setType(_ p: UnsafePointer<UInt8>, _ n: Int) {
        let call: Call =
            PartKind.isName("web_search_call", p, n) ? .web : PartKind.isName("file_search_call", p, n) ? .file : .none
        bits = bits & ~3 | call.rawValue
    }

    mutating func setStatus(_ p: UnsafePointer<UInt8>, _ n: Int) { set(Self.done, PartKind.isName("completed", p, n)) }

    /// The first ones of these calls told no action.
    mutating func setAction(_ p: UnsafePointer<UInt8>, _ n: Int) { set(Self.other, !PartKind.isName("search", p, n)) }

    private mutating func set(_ bit: UInt8, _ isOn: Bool) { bits = isOn ? bits | bit : bits & ~bit }

    var isSearch: Bool { bits == Call.web.rawValue | Self.done }
    var isFileSearch: Bool { bits & (3 | Self.done) == Call.file.rawValue | Self.done }
}
