import Reactor

/// What a stream that broke off after content is ended with, so that no client takes it for whole: an error event in the
/// format of its API. It may only stand where an event may begin (`AnswerReader.isAtEventBoundary`); within an event the
/// stream has to be cut instead.
public enum ClosingEvent {
    public enum Reason: UInt8, BitwiseCopyable, Sendable {
        /// The upstream closed or reset.
        case interrupted
        /// It sent nothing for too long.
        case timedOut
    }

    /// The event's bytes; empty where the format has none.
    public static func bytes(endpoint: Endpoint, framing: Framing, reason: Reason) -> Bytes {
        guard framing == .sse else { return .empty }
        switch (endpoint, reason) {
        case (.messages, .interrupted):
            return Bytes(
                """
                event: error
                data: {"type":"error","error":{"type":"api_error","message":"The upstream broke off its answer."}}


                """)
        case (.messages, .timedOut):
            return Bytes(
                """
                event: error
                data: {"type":"error","error":{"type":"timeout_error","message":"The upstream sent nothing for too long."}}


                """)
        case (.responses, .interrupted):
            return Bytes(
                """
                event: error
                data: {"type":"error","code":"server_error","message":"The upstream broke off its answer.","param":null}


                """)
        case (.responses, .timedOut):
            return Bytes(
                """
                event: error
                data: {"type":"error","code":"timeout","message":"The upstream sent nothing for too long.","param":null}


                """)
        case (.geminiStream, .interrupted):
            return Bytes(
                """
                data: {"error":{"code":502,"message":"The upstream broke off its answer.","status":"UNAVAILABLE"}}


                """)
        case (.geminiStream, .timedOut):
            return Bytes(
                """
                data: {"error":{"code":504,"message":"The upstream sent nothing for too long.","status":"DEADLINE_EXCEEDED"}}


                """)
        case (.chatCompletions, .interrupted), (.completions, .interrupted):
            return Bytes(
                """
                data: {"error":{"message":"The upstream broke off its answer.","type":"server_error","code":"upstream_interrupted","param":null}}


                """)
        case (.chatCompletions, .timedOut), (.completions, .timedOut):
            return Bytes(
                """
                data: {"error":{"message":"The upstream sent nothing for too long.","type":"server_error","code":"upstream_timeout","param":null}}


                """)
        default: return .empty
        }
    }
}
