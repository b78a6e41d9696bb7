import Testing

@testable import Log

@Suite struct LogLineTests {
    private func line(
        _ format: LogFormat, _ message: String, _ fields: [(String, LogValue)] = [], level: LogLevel = .info,
        milliseconds: Int64 = 1_780_716_415_123, offsetMinutes: Int = 480
    ) -> String {
        let line = LogLine(
            format: format, level: level, message: message, fields: fields, unixMilliseconds: milliseconds,
            offsetMinutes: offsetMinutes)
        return String(decoding: line.bytes, as: UTF8.self)
    }

    @Test func textHasTimeLevelMessageAndFields() {
        let fields: [(String, LogValue)] = [
            ("address", "0.0.0.0:8514"), ("workers", 2), ("name", "a b"), ("empty", ""), ("share", 0.5), ("on", true),
            ("a=b c", "x=y"),
        ]
        #expect(
            line(.text, "listening", fields)
                == "2026-06-06T11:26:55.123+08:00 INFO  listening address=0.0.0.0:8514 workers=2 name=\"a b\""
                + " empty=\"\" share=0.5 on=true a_b_c=\"x=y\"\n")
        #expect(line(.text, "x", level: .error, offsetMinutes: -210).hasPrefix("2026-06-05T23:56:55.123-03:30 ERROR x"))
    }

    @Test func jsonIsOneObject() {
        let fields: [(String, LogValue)] = [("level", "high"), ("n", -1), ("x", .number(.infinity)), ("q", "\"\\")]
        #expect(
            line(.json, "a \"b\"", fields, level: .warning, offsetMinutes: 0)
                == "{\"time\":\"2026-06-06T03:26:55.123+00:00\",\"level\":\"warning\",\"message\":\"a \\\"b\\\"\","
                + "\"level_\":\"high\",\"n\":-1,\"x\":\"inf\",\"q\":\"\\\"\\\\\"}\n")
    }

    @Test(arguments: [LogFormat.text, .json])
    func hostileTextStaysInItsLine(format: LogFormat) {
        let text = line(
            format, "a\nERROR forged\r\u{1B}[31m\u{9B}x\u{2028}\0", [("f\n", "g\nh"), ("long", .string(long))])
        #expect(text.utf8.count { $0 == UInt8(ascii: "\n") } == 1 && text.hasSuffix("\n"))
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        #expect(!text.unicodeScalars.contains("\u{9B}") && !text.unicodeScalars.contains("\u{2028}"))
        #expect(text.contains("a\\nERROR forged\\r\\u001b[31m\\u009bx\\u2028\\u0000"))
        #expect(text.utf8.count < 9000 && text.contains("y…"))
    }

    private let long = String(repeating: "y", count: 100_000)

    @Test func datesAreGregorian() {
        let dates: [(Int, Int, Int, Int)] = [
            (0, 1970, 1, 1), (-1, 1969, 12, 31), (11016, 2000, 2, 29), (11017, 2000, 3, 1), (19782, 2024, 2, 29),
            (47540, 2100, 2, 28), (47541, 2100, 3, 1), (20609, 2026, 6, 5),
        ]
        for (days, year, month, day) in dates {
            let date = LogLine.civilDate(daysSince1970: days)
            #expect(date == (year, month, day), "\(days)")
        }
    }

    @Test func levelsHaveNames() {
        #expect(LogLevel("warn") == .warning && LogLevel("WARNING") == .warning && LogLevel("Debug") == .debug)
        #expect(LogLevel("loud") == nil)
        #expect(LogLevel.debug < .error)
    }
}
