/// Names one connection at one time: a slot is used again, its generation is not.
struct ConnectionID: Sendable, Equatable {
    var index: Int
    var generation: UInt32
}

/// What other threads tell the admin reactor.
enum ReactorMessage: Sendable {
    /// The handler's answer, whole.
    case respond(ConnectionID, AdminResponse)
    /// The head of an answer whose body comes through the stream.
    case begin(ConnectionID, AdminResponse, BodyStream)
    /// The connection's stream has something to take.
    case progress(ConnectionID)
    case stop
}
