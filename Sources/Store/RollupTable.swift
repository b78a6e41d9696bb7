/// Sums over ended exchanges on their way into `audit_rollups`.
struct RollupTable {
    /// 15 minutes.
    static let bucketMilliseconds: Int64 = 900_000
    /// The bucket that holds the sums of all others, so that totals cost the same however old the audit is.
    static let allTime: Int64 = -1

    struct Key: Hashable {
        var bucket: Int64
        var status: Int32
        var latencyClass: Int16
        var isError: Bool
    }

    struct Sums {
        var requests = 0
        var streams = 0
        var responseMilliseconds = 0.0
        var firstByteMilliseconds = 0.0
        var firstByteRequests = 0
        var requestBytes = 0
        var responseBytes = 0

        mutating func add(_ other: Sums) {
            requests += other.requests
            streams += other.streams
            responseMilliseconds += other.responseMilliseconds
            firstByteMilliseconds += other.firstByteMilliseconds
            firstByteRequests += other.firstByteRequests
            requestBytes &+= other.requestBytes
            responseBytes &+= other.responseBytes
        }
    }

    private var keys: [Key] = []
    private var sums: [Sums] = []
    private var positions: [Key: Int] = [:]
    /// Neighbouring rows mostly fall together.
    private var last = -1

    var isEmpty: Bool { keys.isEmpty }

    mutating func add(
        requestTimeMilliseconds: Int64, status: Int, durationMilliseconds: Double, firstByteMilliseconds: Double?,
        isError: Bool, isStream: Bool, requestBytes: Int, responseBytes: Int
    ) {
        let key = Key(
            bucket: Timestamp.floorDivide(requestTimeMilliseconds, Self.bucketMilliseconds),
            status: Int32(truncatingIfNeeded: status),
            latencyClass: Int16(LatencyClass.index(milliseconds: durationMilliseconds)), isError: isError)
        if last < 0 || keys[last] != key {
            if let known = positions[key] {
                last = known
            } else {
                last = keys.count
                positions[key] = last
                keys.append(key)
                sums.append(Sums())
            }
        }
        sums[last].requests += 1
        if isStream { sums[last].streams += 1 }
        sums[last].responseMilliseconds += durationMilliseconds
        if let firstByteMilliseconds {
            sums[last].firstByteMilliseconds += firstByteMilliseconds
            sums[last].firstByteRequests += 1
        }
        sums[last].requestBytes &+= requestBytes
        sums[last].responseBytes &+= responseBytes
    }

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        sums.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        last = -1
    }

    /// The sums without regard to time.
    private var totals: [Key: Sums] {
        var totals: [Key: Sums] = [:]
        for (key, sum) in zip(keys, sums) {
            var key = key
            key.bucket = Self.allTime
            totals[key, default: Sums()].add(sum)
        }
        return totals
    }

    /// Makes the sums of all time where a database does not have them yet.
    static func addUp(in connection: Connection) throws(StoreError) {
        let isMissing = try connection.scalarInt(
            """
            SELECT EXISTS (SELECT 1 FROM audit_rollups)
                AND NOT EXISTS (SELECT 1 FROM audit_rollups WHERE bucket = \(allTime))
            """)
        guard isMissing == 1 else { return }
        try connection.execute(
            """
            INSERT INTO audit_rollups SELECT \(allTime), status_code, latency_class, is_error, sum(requests),
                sum(streams), sum(response_ms), sum(first_byte_ms), sum(first_byte_requests), sum(request_bytes),
                sum(response_bytes)
            FROM audit_rollups GROUP BY status_code, latency_class, is_error
            """)
    }

    /// Adds everything to the database's sums.
    func write(to connection: Connection) throws(StoreError) {
        guard !keys.isEmpty else { return }
        let totals = totals
        let upsert = try connection.statement(
            """
            INSERT INTO audit_rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            ON CONFLICT (bucket, status_code, latency_class, is_error) DO UPDATE SET
                requests = requests + excluded.requests, streams = streams + excluded.streams,
                response_ms = response_ms + excluded.response_ms,
                first_byte_ms = first_byte_ms + excluded.first_byte_ms,
                first_byte_requests = first_byte_requests + excluded.first_byte_requests,
                request_bytes = request_bytes + excluded.request_bytes,
                response_bytes = response_bytes + excluded.response_bytes
            """)
        for (key, sum) in zip(keys + totals.keys, sums + totals.values) {
            upsert.bind(1, key.bucket).bind(2, Int(key.status)).bind(3, Int(key.latencyClass)).bind(4, key.isError)
            upsert.bind(5, sum.requests).bind(6, sum.streams).bind(7, sum.responseMilliseconds)
            upsert.bind(8, sum.firstByteMilliseconds).bind(9, sum.firstByteRequests)
            upsert.bind(10, sum.requestBytes).bind(11, sum.responseBytes)
            try upsert.run()
        }
    }
}

/// Latencies in steps of an eighth of an octave, from 1/16 ms to more than a month: a percentile read from such a
/// histogram is off by 6 % at most.
enum LatencyClass {
    static let count = 256

    static func index(milliseconds: Double) -> Int {
        let scaled = milliseconds * 16
        guard scaled >= 1 else { return 0 }
        let bits = scaled.bitPattern
        let exponent = Int(bits >> 52) - 1023
        return min(exponent * 8 + Int(bits >> 49 & 7) + 1, count - 1)
    }

    /// The middle of a class.
    static func milliseconds(index: Int) -> Double {
        guard index > 0 else { return 1.0 / 32 }
        let octave = (index - 1) / 8
        let step = Double((index - 1) % 8)
        return Double(sign: .plus, exponent: octave, significand: 1 + (step + 0.5) / 8) / 16
    }
}
