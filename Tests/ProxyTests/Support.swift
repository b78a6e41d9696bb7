import Config
import HTTP
import JSON
import Reactor
import Store
import Synchronization

@testable import Proxy

/// What raw pointers in tests point at lives as long as the process.
private let textArena = Arena()
private let textLock = Mutex(())
private let heldObjects = Mutex<[any Sendable & AnyObject]>([])

/// The text's bytes, for good.
func kept(_ text: String) -> Bytes { textLock.withLock { _ in textArena.store(text) } }

/// Keeps an object for good and hands it back.
func kept<Object: Sendable & AnyObject>(_ object: Object) -> Object {
    heldObjects.withLock { $0.append(object) }
    return object
}

/// Memory for matching paths.
final class PatternScratch {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: PathPattern.scratchBytes)
    let captures = UnsafeMutablePointer<Bytes>.allocate(capacity: PathPattern.maxParts)

    init() {
        // Whatever an earlier match left behind must not matter.
        bytes.initialize(repeating: 0xA5, count: PathPattern.scratchBytes)
        captures.initialize(repeating: .empty, count: PathPattern.maxParts)
    }

    deinit {
        bytes.deallocate()
        captures.deallocate()
    }
}

extension PathPattern {
    /// The compiled pattern; its memory stays.
    static func make(_ text: String) throws -> PathPattern { try PathPatternSource(text).compile(in: kept(Arena())) }
}

extension RouteRecord {
    /// A route with only what a test cares about.
    static func make(
        _ id: String, path: String = "/*", host: String = "10.0.0.1:80",
        _ change: (inout RouteRecord) -> Void = { _ in }
    ) -> RouteRecord {
        var route = RouteRecord(routeID: id, routeName: id, matchPath: path, targetHost: host)
        change(&route)
        return route
    }
}

extension KeyRecord {
    static func make(_ value: String, _ change: (inout KeyRecord) -> Void = { _ in }) -> KeyRecord {
        var key = KeyRecord(
            keyID: "id-\(value)", keyHash: SHA256.digest(Array(value.utf8)), sourcePath: "team/\(value)")
        change(&key)
        return key
    }
}

/// A snapshot that stays.
func snapshot(
    _ routes: [RouteRecord], keys: [KeyRecord] = [], settings: Settings = Settings(), registry: Registry = Registry()
) -> Snapshot {
    kept(Snapshot(keys: keys, routes: routes, settings: settings, version: "1.2.3", registry: registry))
}

/// A parsed request and the memory that its view points into.
final class ParsedRequest {
    let head: RequestHead
    private let message: UnsafeMutablePointer<UInt8>
    private let fields: UnsafeMutablePointer<Field>
    private let captures: UnsafeMutablePointer<MemberCapture>
    /// What the router looks at; valid while this object lives.
    let view: RequestView

    enum Failure: Error { case noRequest }

    /// - Parameter isComplete: whether `body` is all of it.
    init(
        _ start: String, _ fieldLines: [String] = [], body: String = "", isComplete: Bool = true,
        for snapshot: Snapshot? = nil
    ) throws {
        let text = "\(start) HTTP/1.1\r\nhost: gateway\r\n" + fieldLines.map { $0 + "\r\n" }.joined() + "\r\n" + body
        let count = text.utf8.count
        message = .allocate(capacity: count)
        _ = UnsafeMutableBufferPointer(start: message, count: count).initialize(from: text.utf8)
        fields = .allocate(capacity: 128)
        fields.initialize(repeating: Field(), count: 128)
        captures = .allocate(capacity: MemberNameTable.maxNames)
        captures.initialize(repeating: MemberCapture(), count: MemberNameTable.maxNames)
        var head = RequestHead()
        var scan = HeadScan()
        let limits = MessageLimits()
        guard
            RequestParser.parse(message, count, scan: &scan, limits: limits, fields: fields, head: &head) == .complete
        else { throw Failure.noRequest }
        self.head = head
        let base = UnsafePointer(message)
        let bodyCount = count - Int(head.headLength)
        var view = RequestView(
            base: base, fields: fields, fieldCount: Int(head.fieldCount), method: head.method,
            methodName: Bytes(base + Int(head.methodOffset), Int(head.methodLength)),
            path: Bytes(base + Int(head.pathOffset), Int(head.pathLength)),
            query: Bytes(base + Int(head.queryOffset), Int(head.queryLength)),
            body: bodyCount == 0 ? .empty : Bytes(base + Int(head.headLength), bodyCount),
            bodyIsComplete: isComplete, captures: nil, bodyIsNoObject: false)
        if let snapshot, let p = view.body.pointer {
            var scanner = MemberScanner()
            switch scanner.feed(p, bodyCount, table: snapshot.view.pointee.memberNames, captures: captures) {
            case .finished: view.captures = captures
            case .needMore: if isComplete { view.bodyIsNoObject = true } else { view.captures = captures }
            case .notAnObject, .malformed: view.bodyIsNoObject = true
            }
        }
        self.view = view
    }

    deinit {
        message.deallocate()
        fields.deallocate()
        captures.deallocate()
    }

    var fieldList: [Field] { (0..<Int(head.fieldCount)).map { fields[$0] } }
    var base: UnsafePointer<UInt8> { UnsafePointer(message) }

    func name(_ field: Field) -> String {
        Bytes(base + Int(field.nameOffset), Int(field.nameLength)).string
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var x = state
        x ^= x >> 33
        x = x &* 0xFF51_AFD7_ED55_8CCD
        return x ^ (x >> 33)
    }
}
