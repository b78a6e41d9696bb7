import Glibc

/// What can go wrong in the store.
public enum StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// SQLite refused; `code` is its extended result code.
    case sqlite(code: Int32, message: String)
    /// Another connection holds the database; trying again later may help.
    case busy(message: String)
    /// The disk, or the page limit of the database, is full.
    case full(message: String)
    /// A query was cut off at its deadline.
    case timedOut
    /// The database is not one that this version may open; the text names the difference.
    case refused(String)
    /// A value that may not be stored.
    case invalid(field: String, message: String)
    /// A value that must be unique is there already.
    case conflict(field: String, message: String)
    /// A row that a change asks for is not there.
    case notFound(String)
    /// Provider keys can be neither read nor written: the master key is missing or another one.
    case locked(String)
    /// A system call failed.
    case system(errno: Int32, operation: String)
    /// The writer has been stopped.
    case stopped

    public var description: String {
        switch self {
        case .sqlite(let code, let message): "SQLite error \(code): \(message)"
        case .busy(let message): "the database is locked: \(message)"
        case .full(let message): "the database cannot grow: \(message)"
        case .timedOut: "the query took too long and was cut off"
        case .refused(let text): text
        case .invalid(let field, let message): "\(field): \(message)"
        case .conflict(let field, let message): "\(field): \(message)"
        case .notFound(let what): "\(what) does not exist"
        case .locked(let reason): reason
        case .system(let errno, let operation): "\(operation): \(String(cString: strerror(errno)))"
        case .stopped: "the store has been stopped"
        }
    }
}
