import Glibc
import Testing

@testable import Log

/// A folder of its own, which is removed at the end.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/fastgate-log-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    func lines(_ name: String) -> [String] {
        guard let file = fopen("\(path)/\(name)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(byte)) }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

@Suite struct LoggerTests {
    private let folder = TemporaryFolder()

    @Test func linesBelowTheLevelAreNotEvenMade() throws {
        let logger = Logger()
        try logger.configure(level: .warning, file: folder.path + "/log")
        logger.debug({ fatalError("made") }())
        logger.info("x", { fatalError("made") }())
        logger.warn("careful", [("n", 1)])
        logger.error("broken")
        #expect(!logger.isEnabled(.info) && logger.isEnabled(.warning))
        let lines = folder.lines("log")
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix("+00:00 WARN  careful n=1") == true)
        #expect(lines.last?.hasSuffix("+00:00 ERROR broken") == true)
    }

    @Test func theFileIsRotatedBeforeItGrowsBeyond() throws {
        let logger = Logger()
        try logger.configure(level: .info, file: folder.path + "/log", maxSizeBytes: 200, backupCount: 2)
        // Each line is 29 + 7 + 22 bytes and a line feed: three to a file.
        for n in 100..<112 { logger.info("number \(n) of a few lines") }
        #expect(folder.names == ["log", "log.1", "log.2"])
        for (name, first) in [("log.2", 103), ("log.1", 106), ("log", 109)] {
            let lines = folder.lines(name)
            #expect(lines.count == 3, "\(name)")
            #expect(lines.first?.contains("number \(first) ") == true, "\(name)")
        }
    }

    @Test func withoutBackupsAFullFileBeginsAnew() throws {
        let logger = Logger()
        try logger.configure(level: .info, file: folder.path + "/log", maxSizeBytes: 200)
        for n in 100..<112 { logger.info("number \(n) of a few lines") }
        #expect(folder.names == ["log"])
        #expect(folder.lines("log").count == 3)
    }

    @Test func anExistingFileIsAppendedToAndCounted() throws {
        for n in 0..<3 {
            let logger = Logger()
            try logger.configure(level: .info, file: folder.path + "/log", maxSizeBytes: 100, backupCount: 1)
            logger.info("start \(n)")
        }
        #expect(folder.lines("log.1").count == 2 && folder.lines("log").count == 1)
    }

    @Test func reopenFollowsAFileThatWasMovedAway() throws {
        let logger = Logger()
        try logger.configure(level: .info, file: folder.path + "/log")
        logger.info("one")
        rename(folder.path + "/log", folder.path + "/moved")
        logger.info("two")
        try logger.reopen()
        logger.info("three")
        #expect(folder.lines("moved").count == 2)
        #expect(folder.lines("log").count == 1)
    }

    @Test func aFileThatCannotBeOpenedChangesNothing() throws {
        let logger = Logger()
        try logger.configure(level: .info, file: folder.path + "/log")
        #expect(throws: LogFileError(path: "/nonexistent/log", errno: ENOENT)) {
            try logger.configure(level: .error, file: "/nonexistent/log")
        }
        logger.info("still here")
        #expect(folder.lines("log").count == 1)
        #expect("\(LogFileError(path: "/x", errno: EACCES))" == "/x: Permission denied")
    }

    @Test func linesThatCouldNotBeWrittenAreCounted() throws {
        var sink = try LogSink(path: "/dev/full", maxSizeBytes: 0, backupCount: 0)
        sink.write(Array("x\n".utf8))
        sink.write(Array("x\n".utf8))
        #expect(sink.takeLostLines() == 2)
        #expect(sink.lostLines == 0)
    }

    @Test func linesOfManyThreadsStayWhole() throws {
        let logger = Logger()
        try logger.configure(
            level: .info, format: .json, file: folder.path + "/log", maxSizeBytes: 4096, backupCount: 99)
        var threads: [pthread_t] = []
        for _ in 0..<4 {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(logger).toOpaque()
            let made = pthread_create(
                &thread, nil,
                { context in
                    let logger = Unmanaged<Logger>.fromOpaque(context!).takeRetainedValue()
                    for n in 0..<100 { logger.info("line", [("n", LogValue(n))]) }
                    return nil
                }, context)
            try #require(made == 0)
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
        let lines = folder.names.flatMap { folder.lines($0) }
        #expect(lines.count == 400)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"time\":") && $0.hasSuffix("}") })
    }
}
