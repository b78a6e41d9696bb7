import Glibc

@testable import Reactor
@testable import Store

/// An audit that is searched: written once, by the real writer, and long enough for a search to take several windows.
private enum Archive {
    static let rows = LogScan.windowRows + 100
    static let firstMilliseconds: UInt64 = 1_780_716_415_123

    nonisolated(unsafe) static let reader: ReadConnection = {
        let path = storeFolder + "/archive.db"
        do {
            _ = try Database.open(path: path)
            let connection = try Connection(path: path, mode: .readWrite, busyTimeoutMilliseconds: 1000)
            let ring = try MappedRing.open(path: storeFolder + "/archive.ring", capacity: 1 << 22)
            let flusher = AuditFlusher(connection: connection, rings: [ring])
            var producer = RingProducer(ring)
            for n in 0..<rows { write(n, &producer) }
            while try flusher.flush() == .more {}
            return try ReadConnection(path: path, timeZoneOffsetMinutes: 0)
        } catch { fatalError("no archive: \(error)") }
    }()

    static let all: [AuditRow] = {
        var found: [AuditRow] = []
        var query = LogQuery()
        query.order = .ascending
        do throws(StoreError) {
            try reader.exportLogs(query, includesBodies: false) { row throws(StoreError) in
                found.append(row)
                return true
            }
        } catch { fatalError("\(error)") }
        check(found.count == rows, "\(found.count) rows of \(rows)")
        return found
    }()

    private static func write(_ n: Int, _ producer: inout RingProducer) {
        // Bursts, and gaps of minutes and of hours.
        let time = firstMilliseconds + UInt64(n / 7) * 41 + UInt64(n / 500) * 3_700_000
        let id = AuditID(unixMilliseconds: time, worker: UInt16(n % 3), bootNonce: 7, sequence: UInt32(n))
        let texts = [
            "req_\(n)", "key_\(n % 5)", "/team/\(n % 3)", ["GET", "POST"][n % 2], "agent", "192.0.2.1",
            ["/v1/chat/completions", "/v1/models", "/files/a[b]?c=\(n % 9)"][n % 3], "",
        ].map { Array($0.utf8) }
        let flat = texts.flatMap { $0 }
        flat.withUnsafeBufferPointer { buffer in
            var at = 0
            let b = texts.map { text -> Bytes in
                defer { at += text.count }
                return Bytes(buffer.baseAddress.map { $0 + at }, text.count)
            }
            let accepted = AcceptedFields(
                requestTimeNanoseconds: time * 1_000_000, requestID: b[0], keyID: b[1], sourcePath: b[2], method: b[3],
                userAgent: b[4], ip: b[5], path: b[6], requestHeaders: b[7])
            guard let room = producer.reserve(AuditEncoder.acceptedSize(accepted)) else { fatalError("no room") }
            AuditEncoder.encodeAccepted(id, accepted, into: room)
            producer.commit()
            if n % 97 == 0 { return }
            let status: UInt16 = n % 401 == 400 ? 503 : n % 31 == 0 ? 404 : 200
            let completed = CompletedFields(
                firstResponseTimeNanoseconds: time * 1_000_000 + 1,
                responseTimeNanoseconds: time * 1_000_000 + UInt64(n % 11) * 900_000, requestSize: 1, responseSize: 2,
                streamChunks: 0, status: status, isStream: n % 4 == 0, targetURL: b[7],
                errorMessage: status == 503 ? b[4] : b[7], responseHeaders: b[7], requestBody: b[7], responseBody: b[7])
            guard let room = producer.reserve(AuditEncoder.completedSize(completed)) else { fatalError("no room") }
            AuditEncoder.encodeCompleted(id, completed, into: room)
            producer.commit()
        }
    }
}

/// A query out of the input's bytes, and what it says of a row, told without SQL.
private struct Search {
    var query = LogQuery()
    private var tests: [(AuditRow) -> Bool] = []

    init(_ input: Input) {
        let bytes = input.bytes
        func byte(_ k: Int) -> Int { k < bytes.count ? Int(bytes[k]) : 0 }
        let which = byte(0)
        query.order = byte(1) & 1 == 0 ? .ascending : .descending
        // Each page costs a search: not too many of them.
        query.limit = 200 + byte(2) * 3
        let first = Archive.all[0].requestTimeMilliseconds
        let last = Archive.all[Archive.all.count - 1].requestTimeMilliseconds
        if which & 1 != 0 {
            let start = first + (last - first) * Int64(byte(3)) / 256 - 3
            query.startTimeMilliseconds = start
            tests.append { $0.requestTimeMilliseconds >= start }
        }
        if which & 2 != 0 {
            let end = first + (last - first) * Int64(byte(4)) / 256 + Int64(byte(1) >> 1)
            query.endTimeMilliseconds = end
            tests.append { $0.requestTimeMilliseconds <= end }
        }
        if which & 4 != 0 {
            let code = [200, 404, 503, 500][byte(5) & 3]
            let filter = StatusFilter(ranges: [code...code + byte(5) >> 2], includesNone: byte(6) & 1 == 1)
            query.status = filter
            tests.append { row in
                guard let status = row.statusCode else { return filter.includesNone }
                return filter.ranges.contains { $0.contains(status) }
            }
        }
        if which & 8 != 0 {
            let isStream = byte(6) & 2 == 2
            query.isStream = isStream
            tests.append { $0.isStream == isStream }
        }
        if which & 16 != 0 {
            query.apiKey = "key_\(byte(7) % 6)"
            tests.append { [key = query.apiKey] in $0.keyID == key }
        }
        if which & 32 != 0 {
            let error: LogQuery.ErrorFilter = [.any, .none, .contains("AGE")][byte(7) >> 3 % 3 & 1]
            query.error = error
            tests.append { row in
                switch error {
                case .any: (row.statusCode ?? 0) >= 400 || row.errorMessage != nil
                case .none: row.errorMessage == nil && (row.statusCode ?? 0) < 400
                case .contains: row.errorMessage?.contains("age") ?? false
                }
            }
        }
        if which & 64 != 0 {
            let least = Double(byte(8)) / 16
            query.minMilliseconds = least
            tests.append { ($0.durationMilliseconds ?? -1) >= least }
        }
        if which & 128 != 0, bytes.count > 10, let path = String(validating: bytes[10...], as: UTF8.self) {
            query.path = path
            let pattern = path.unicodeScalars.contains("*") ? path : path + "*"
            tests.append { Self.glob(Array(pattern.utf8), Array($0.path.utf8)) }
        }
    }

    func takes(_ row: AuditRow) -> Bool { tests.allSatisfy { $0(row) } }

    /// The plainest matcher there is: stars and bytes.
    private static func glob(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var reached: Set<Int> = [0]
        for c in pattern {
            if c == UInt8(ascii: "*") {
                reached = Set((reached.min() ?? text.count + 1)..<(text.count + 1))
            } else {
                reached = Set(reached.filter { $0 < text.count && text[$0] == c }.map { $0 + 1 })
            }
            if reached.isEmpty { return false }
        }
        return reached.contains(text.count)
    }
}

/// A search finds what a look at each row finds, in order, page by page as in one export; any cursor is a place in the
/// audit or refused.
func fuzzLogs(_ input: Input) {
    let search = Search(input)
    var expected = Archive.all.filter { search.takes($0) }.map(\.id)
    if search.query.order == .descending { expected.reverse() }
    var found: [String] = []
    var query = search.query
    do throws(StoreError) {
        var pages = 0
        repeat {
            let page = try Archive.reader.logs(query)
            check(page.items.count <= query.limit, "\(page.items.count) rows on a page of \(query.limit)")
            check(!page.totalIsExact || page.total == expected.count, "\(page.total) rows, not \(expected.count)")
            found += page.items.map(\.id)
            query.cursor = page.nextCursor
            pages += 1
            check(pages <= expected.count / query.limit + 4, "pages without end")
        } while query.cursor != nil
        check(found == expected, "\(found.count) rows on pages, \(expected.count) in the audit")
        found = []
        try Archive.reader.exportLogs(search.query, includesBodies: false) { row throws(StoreError) in
            found.append(row.id)
            return true
        }
        check(found == expected, "\(found.count) rows in the export, \(expected.count) in the audit")
    } catch {
        if case .invalid(let field, _) = error { check(field == "path", "\(error)") } else { fatalError("\(error)") }
    }
    query = search.query
    query.cursor = String(decoding: input.body, as: UTF8.self)
    do throws(StoreError) {
        let page = try Archive.reader.logs(query)
        check(AuditID(query.cursor ?? "") != nil, "a cursor that is none: \(query.cursor ?? "")")
        check(page.items.count <= query.limit, "more than a page")
    } catch {
        guard case .invalid = error else { fatalError("\(error)") }
    }
}
