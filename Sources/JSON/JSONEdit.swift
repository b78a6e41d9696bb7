import Glibc

/// One member to set: views of memory that a `JSONMemberEdits` owns.
@frozen public struct JSONMemberEdit: BitwiseCopyable {
    /// Where the scanner's captures tell about this member.
    let captureIndex: Int
    /// `"name":`, escaped.
    let name: UnsafePointer<UInt8>
    let nameCount: Int
    let value: UnsafePointer<UInt8>
    let valueCount: Int
}

/// Members to set in many bodies. Make it once, off the hot path, and keep it for as long as anything uses `pointer`.
public final class JSONMemberEdits: @unchecked Sendable {  // immutable after init
    public let pointer: UnsafePointer<JSONMemberEdit>
    public let count: Int
    private let edits: UnsafeMutablePointer<JSONMemberEdit>
    private let text: UnsafeMutablePointer<UInt8>

    /// - Parameters:
    ///   - members: values are JSON texts and not checked here; of repeated names the last counts.
    ///   - table: the table that bodies will be scanned with.
    /// - Returns: nil if `table` lacks a name.
    public init?(_ members: some Sequence<(name: String, value: [UInt8])>, table: MemberNameTable) {
        var order: [Int] = []
        var chosen: [Int: (name: String, value: [UInt8])] = [:]
        for member in members {
            guard let at = table.index(of: member.name) else { return nil }
            if chosen.updateValue(member, forKey: at) == nil { order.append(at) }
        }
        var bytes: [UInt8] = []
        var spans: [(at: Int, name: Int, value: Int, end: Int)] = []
        for at in order {
            guard let member = chosen[at] else { continue }
            let name = bytes.count
            JSONText.escape(member.name, into: &bytes)
            bytes.append(UInt8(ascii: ":"))
            let value = bytes.count
            bytes.append(contentsOf: member.value)
            spans.append((at, name, value, bytes.count))
        }
        count = spans.count
        text = .allocate(capacity: max(1, bytes.count))
        text.initialize(repeating: 0, count: max(1, bytes.count))
        text.update(from: bytes, count: bytes.count)
        edits = .allocate(capacity: max(1, spans.count))
        for (k, span) in spans.enumerated() {
            (edits + k).initialize(
                to: JSONMemberEdit(
                    captureIndex: span.at, name: UnsafePointer(text + span.name), nameCount: span.value - span.name,
                    value: UnsafePointer(text + span.value), valueCount: span.end - span.value))
        }
        pointer = UnsafePointer(edits)
    }

    deinit {
        edits.deallocate()
        text.deallocate()
    }
}

/// Sets top-level members of JSON objects without touching any other byte.
public enum JSONEdit {
    /// Sets top-level members of `body` and appends the result to `out`: the value of an existing member is replaced
    /// where it stands (of duplicates the last), missing members are added after the last one, in the order given.
    /// - Parameter members: values are JSON texts and not checked here; of repeated names the last counts.
    /// - Returns: false, with `out` as it was, if `body` is not a JSON object (as `MemberScanner` sees it).
    public static func setTopLevelMembers(
        _ body: UnsafeRawBufferPointer, _ members: [(name: String, value: [UInt8])], into out: inout [UInt8]
    ) -> Bool {
        var rest = members[...]
        var edited: [UInt8]?
        // A table holds a limited number of names: edit in rounds. There is always a first one.
        repeat {
            let round = rest.prefix(MemberNameTable.maxNames)
            rest = rest.dropFirst(MemberNameTable.maxNames)
            let result =
                edited.map { bytes in bytes.withUnsafeBytes { setOnce($0, round) } } ?? setOnce(body, round)
            guard let result else { return false }
            edited = result
        } while !rest.isEmpty
        out.append(contentsOf: edited ?? [])
        return true
    }

    private static func setOnce(
        _ body: UnsafeRawBufferPointer, _ members: ArraySlice<(name: String, value: [UInt8])>
    ) -> [UInt8]? {
        guard let table = MemberNameTable(members.map(\.name)),
            let edits = JSONMemberEdits(members, table: table),
            let base = body.baseAddress?.assumingMemoryBound(to: UInt8.self)
        else { return nil }
        var captures = [MemberCapture](repeating: MemberCapture(), count: max(1, table.names.count))
        return captures.withUnsafeMutableBufferPointer { buffer in
            guard let captures = buffer.baseAddress else { return nil }
            var scanner = MemberScanner()
            guard scanner.feed(base, body.count, table: table.pointer, captures: captures) == .finished else {
                return nil
            }
            let size = editedCount(
                bodyCount: body.count, scanner: scanner, captures: captures, edits: edits.pointer, count: edits.count)
            return [UInt8](unsafeUninitializedCapacity: size) { out, written in
                guard let out = out.baseAddress else { return }
                written = apply(
                    body: base, body.count, scanner: scanner, captures: captures, edits: edits.pointer,
                    count: edits.count, into: out)
            }
        }
    }

    /// How many bytes `apply` will write.
    /// - Parameters:
    ///   - scanner: has called the body finished, with a table that has the edits' names.
    ///   - captures: what that scan captured.
    public static func editedCount(
        bodyCount: Int, scanner: MemberScanner, captures: UnsafePointer<MemberCapture>,
        edits: UnsafePointer<JSONMemberEdit>, count: Int
    ) -> Int {
        var total = bodyCount
        var hasMember = scanner.memberCount > 0
        var k = 0
        while k < count {
            let capture = captures + edits[k].captureIndex
            total &+= edits[k].valueCount
            if capture.pointee.seenCount > 0 {
                total &-= Int(capture.pointee.end &- capture.pointee.start)
            } else {
                total &+= edits[k].nameCount &+ (hasMember ? 1 : 0)
                hasMember = true
            }
            k &+= 1
        }
        return total
    }

    /// Writes the whole body `p[0 ..< n]` with the members set. Allocates nothing.
    /// - Parameter out: has room for `editedCount` bytes; does not overlap the body.
    /// - Returns: the number of bytes written.
    public static func apply(
        body p: UnsafePointer<UInt8>, _ n: Int, scanner: MemberScanner, captures: UnsafePointer<MemberCapture>,
        edits: UnsafePointer<JSONMemberEdit>, count: Int, into out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var written = 0
        var read = 0
        // Replacements, in the order of the body.
        while true {
            var next = -1
            var nextStart = Int.max
            var k = 0
            while k < count {
                let capture = captures + edits[k].captureIndex
                let start = Int(truncatingIfNeeded: capture.pointee.start)
                if capture.pointee.seenCount > 0, start >= read, start < nextStart {
                    next = k
                    nextStart = start
                }
                k &+= 1
            }
            if next < 0 { break }
            memcpy(out + written, p + read, nextStart &- read)
            written &+= nextStart &- read
            memcpy(out + written, edits[next].value, edits[next].valueCount)
            written &+= edits[next].valueCount
            read = Int(truncatingIfNeeded: captures[edits[next].captureIndex].end)
        }
        // Then what is missing.
        let insertion = Int(truncatingIfNeeded: scanner.insertionOffset)
        memcpy(out + written, p + read, insertion &- read)
        written &+= insertion &- read
        var hasMember = scanner.memberCount > 0
        var k = 0
        while k < count {
            if captures[edits[k].captureIndex].seenCount == 0 {
                if hasMember {
                    out[written] = UInt8(ascii: ",")
                    written &+= 1
                }
                hasMember = true
                memcpy(out + written, edits[k].name, edits[k].nameCount)
                written &+= edits[k].nameCount
                memcpy(out + written, edits[k].value, edits[k].valueCount)
                written &+= edits[k].valueCount
            }
            k &+= 1
        }
        memcpy(out + written, p + insertion, n &- insertion)
        return written &+ (n &- insertion)
    }
}
