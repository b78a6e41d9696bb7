import Glibc

/// The `process_*` figures of this process, read from /proc. What cannot be read is nil and left out.
struct ProcessStatistics {
    var cpuSeconds: Double?
    var residentBytes: Int?
    var virtualBytes: Int?
    var startTimeSeconds: Double?
    var threads: Int?
    var openFileDescriptors: Int?
    var maxFileDescriptors: UInt64?

    static func read() -> ProcessStatistics {
        var statistics = ProcessStatistics()
        statistics.readStat()
        statistics.openFileDescriptors = countDescriptors()
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            statistics.maxFileDescriptors = UInt64(limit.rlim_cur)
        }
        return statistics
    }

    /// /proc/self/stat; the fields are numbered as in proc(5), the name (2) may hold spaces and parentheses.
    private mutating func readStat() {
        guard let stat = Self.contents("/proc/self/stat"), let nameEnd = stat.lastIndex(of: ")") else { return }
        let fields = stat[stat.index(after: nameEnd)...].split(separator: " ")
        func field(_ number: Int) -> Double? {
            let index = number - 3
            return index < fields.count ? Double(fields[index]) : nil
        }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        guard ticks > 0 else { return }
        if let user = field(14), let system = field(15) { cpuSeconds = (user + system) / ticks }
        threads = field(20).map { Int($0) }
        virtualBytes = field(23).map { Int($0) }
        residentBytes = field(24).map { Int($0) * sysconf(Int32(_SC_PAGESIZE)) }
        if let start = field(22), let boot = Self.bootTimeSeconds() { startTimeSeconds = boot + start / ticks }
    }

    private static func bootTimeSeconds() -> Double? {
        guard let stat = contents("/proc/stat") else { return nil }
        for line in stat.split(separator: "\n") where line.hasPrefix("btime ") {
            return Double(line.dropFirst(6))
        }
        return nil
    }

    private static func countDescriptors() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // ".", ".." and the descriptor that reads the folder do not count.
        return max(0, count - 3)
    }

    private static func contents(_ path: String) -> String? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16384)
        while bytes.count < 4 << 20 {
            let count = Glibc.read(fd, &piece, piece.count)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
