import HTTP
import LLM
import Reactor
struct RequestFacts: BitwiseCopyable {
    var promptTokens: Int64 = 0
    var maxOutputTokens: Int64?
    var answers: Int64 = 1
}
enum FaultClassifier {
    static func classify(apiType: APIType, status: UInt16, body: Bytes) -> Fault { .none }
}
enum ClosingEvent {
    static func write(endpoint: Endpoint, apiType: APIType, code: StaticString, message: StaticString, _ writer: inout HeadWriter) {}
}
struct AnswerReader: BitwiseCopyable {
    init(endpoint: Endpoint, apiType: APIType, framing: Framing) {}
    var fault = Fault.none
    var contentSeen = false
    var isFinished = false
    var isAtEventBoundary: Bool { true }
    mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int) {}
    func settled(promptEstimate: Int64, isWhole: Bool = true) -> TokenUsage? { nil }
    func withServedModel<Result>(_ body: (Bytes) -> Result) -> Result { body(.empty) }
}
struct UsageChunkFilter: BitwiseCopyable {
    static let holdCapacity = 8192
    enum Piece: BitwiseCopyable, Sendable, Equatable {
        case end
        case pass(start: Int, count: Int)
        case passHeld(count: Int)
    }
    mutating func next(_ p: UnsafePointer<UInt8>, _ n: Int, hold: UnsafeMutablePointer<UInt8>) -> Piece { .end }
    mutating func finish() -> Piece { .end }
}
