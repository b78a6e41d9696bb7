import Config
import HTTP
import JSON
import Reactor
import Store

/// A worker's look-ups without a worker, so that `bench/micro` can count what they cost. No part of serving.
package final class LookUpProbe {
    private let snapshot: Snapshot
    private let message: UnsafeMutablePointer<UInt8>
    private let messageCount: Int
    private let fields: UnsafeMutablePointer<Field>
    private let captures: UnsafeMutablePointer<MemberCapture>
    private let scratch: UnsafeMutablePointer<UInt8>
    private var head = RequestHead()

    /// - Parameter request: a whole request, with its body; nil if it is malformed.
    package init?(keys: [KeyRecord], routes: [RouteRecord], request: [UInt8]) {
        snapshot = Snapshot(keys: keys, routes: routes, settings: Settings(), version: "0", registry: Registry())
        messageCount = request.count
        message = .allocate(capacity: max(request.count, 1))
        message.initialize(from: request, count: request.count)
        fields = .allocate(capacity: Worker.maxFields)
        fields.initialize(repeating: Field(), count: Worker.maxFields)
        captures = .allocate(capacity: MemberNameTable.maxNames)
        captures.initialize(repeating: MemberCapture(), count: MemberNameTable.maxNames)
        scratch = .allocate(capacity: PathPattern.scratchBytes)
        scratch.initialize(repeating: 0, count: PathPattern.scratchBytes)
        var scan = HeadScan()
        let outcome = RequestParser.parse(
            message, messageCount, scan: &scan, limits: snapshot.view.pointee.policy.messageLimits, fields: fields,
            head: &head)
        guard case .complete = outcome else { return nil }
    }

    deinit {
        message.deallocate()
        fields.deallocate()
        captures.deallocate()
        scratch.deallocate()
    }

    /// Scans the body's members as often as asked and returns how many were found in all.
    package func scanBody(_ iterations: Int) -> UInt64 {
        var found: UInt64 = 0
        for _ in 0..<iterations { found &+= UInt64(scan().memberCount) }
        return found
    }

    /// Chooses the request's route as often as asked, the body scanned once before. Returns the sum of the indices.
    package func chooseRoute(_ iterations: Int) -> Int {
        let request = view()
        var sum = 0
        for i in 0..<iterations {
            sum &+= snapshot.view.pointee.table.choose(
                request, tried: TriedRoutes(), scratch: scratch, random: UInt64(i), isAvailable: { _ in true })
        }
        return sum
    }

    /// Looks a presented key up as often as asked, hashing included. Returns the sum of the keys' numbers; -1 is unknown.
    package func findKey(_ key: Bytes, _ iterations: Int) -> Int {
        var sum = 0
        let keys = snapshot.view.pointee.keys
        for _ in 0..<iterations {
            let place = keys.find(KeyHash(of: key))
            sum &+= place < 0 ? -1 : Int(keys.pointer(place).pointee.ordinal)
        }
        return sum
    }

    private func scan() -> MemberScanner {
        var scanner = MemberScanner()
        MemberCapture.reset(captures, snapshot.view.pointee.memberNameCount)
        _ = scanner.feed(
            message + Int(head.headLength), messageCount - Int(head.headLength),
            table: snapshot.view.pointee.memberNames, captures: captures)
        return scanner
    }

    private func view() -> RequestView {
        let base = UnsafePointer(message)
        var view = RequestView(
            base: base, fields: fields, fieldCount: Int(head.fieldCount), method: head.method,
            methodName: Bytes(base + Int(head.methodOffset), Int(head.methodLength)),
            path: Bytes(base + Int(head.pathOffset), Int(head.pathLength)),
            query: Bytes(base + Int(head.queryOffset), Int(head.queryLength)),
            body: Bytes(base + Int(head.headLength), messageCount - Int(head.headLength)), bodyIsComplete: true,
            captures: nil, bodyIsNoObject: false)
        if scan().state == .finished { view.captures = captures } else { view.bodyIsNoObject = true }
        return view
    }
}
