import Glibc
import Testing

@testable import Reactor

@Suite struct DetachedProcessTests {
    @Test func itIsNobodysChildHere() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let process = try DetachedProcess(
            program: "/bin/sh", arguments: ["sh", "-c", "echo $PPID $WORD >/dev/fd/\(ends[1]); sleep 60"],
            environment: ["WORD": "heard"], kept: [ends[1]])
        close(ends[1])
        var text = [UInt8](repeating: 0, count: 100)
        let count = read(ends[0], &text, text.count)
        close(ends[0])
        let words = String(decoding: text[..<max(count, 0)], as: UTF8.self).split { $0 == " " || $0 == "\n" }
        #expect(words.count == 2 && words[0] != "\(getpid())" && words[1] == "heard")
        let endedByItself = process.hasEnded(withinMilliseconds: 0)
        #expect(!endedByItself)
        var status: Int32 = 0
        let waited = waitpid(process.id, &status, WNOHANG)
        #expect(waited == -1 && errno == ECHILD)
        process.signal(SIGKILL)
        let endedThen = process.hasEnded(withinMilliseconds: 10_000)
        #expect(endedThen)
    }

    @Test func whatCannotBeStartedSaysWhy() {
        #expect(throws: SystemError.self) {
            _ = try DetachedProcess(program: "/nowhere/x", arguments: ["x"], environment: [:], kept: [])
        }
        #expect(throws: SystemError.self) {
            _ = try DetachedProcess(program: "/bin/true", arguments: ["true"], environment: [:], kept: [987_654])
        }
    }
}
