/// An item of what OpenAI's Responses API puts out, as far as it tells of a search in the web. A call may also have opened a
/// page or looked for something in one: "search actions incur a tool call cost", the others none.
struct OutputItem: BitwiseCopyable, Sendable {
    /// It is a `web_search_call`.
    var isCall = false
    var isDone = false
    /// Its action is another one. The first ones of these calls told none.
    var isOther = false

    var isSearch: Bool { isCall && isDone && !isOther }
}
