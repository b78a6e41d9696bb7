import Testing

@testable import Config

@Suite struct ScalarParsingTests {
    @Test func sizesAreBinary() {
        for text in ["64MB", "64M", "64MiB", "64mb", "64 MB", "67108864", "67108864B", "65536KB"] {
            #expect(ScalarParsing.size(text) == 67_108_864, "\(text)")
        }
        #expect(ScalarParsing.size("2GB") == 1 << 31)
        for text in ["", "MB", "-1", "1.5MB", "1TB", "0x10", "9223372036854775807KB", "1 M B", "٣MB", "1,000"] {
            #expect(ScalarParsing.size(text) == nil, "\(text)")
        }
    }

    @Test func timesAreSeconds() {
        let good = ["30": 30, "0.5": 0.5, "500ms": 0.5, "30s": 30, "5m": 300, "2h": 7200, "1d": 86400, "1.5 h": 5400]
        for (text, seconds) in good { #expect(ScalarParsing.seconds(text) == seconds, "\(text)") }
        for text in ["", "-1", "1e3", "inf", "nan", "0x1p3", ".5", "5.", "1.2.3", "5 weeks", "٣"] {
            #expect(ScalarParsing.seconds(text) == nil, "\(text)")
        }
    }

    @Test func integersAreDecimal() {
        #expect(ScalarParsing.integer("-12") == -12)
        #expect(ScalarParsing.integer("007") == 7)
        for text in ["", "-", "+1", "1_000", "0x1", "1.0", " 1", "9223372036854775808"] {
            #expect(ScalarParsing.integer(text) == nil, "\(text)")
        }
    }

    @Test func addressesAreLiterals() {
        #expect(ScalarParsing.address("[::1]") == "::1")
        #expect(ScalarParsing.address("LOCALHOST") == "127.0.0.1")
        #expect(ScalarParsing.address("10.0.0.1") == "10.0.0.1")
        for text in ["", "*", "10.0.0", "example.org", "[10.0.0.1", "::1%lo", "1.2.3.4\0x"] {
            #expect(ScalarParsing.address(text) == nil, "\(text)")
        }
    }

    @Test func timeZonesAreOffsets() {
        #expect(TimeZoneOffset("+08:00")?.minutes == 480)
        #expect(TimeZoneOffset("-0530")?.text == "-05:30")
        #expect(TimeZoneOffset("+09")?.text == "+09:00")
        #expect(TimeZoneOffset("utc")?.text == "+00:00")
        #expect(TimeZoneOffset("-00:00")?.text == "+00:00")
        for text in ["", "08:00", "+9", "+15:00", "+08:60", "+8:00", "+08:0", "+٠٨:٠٠", "Europe/Paris"] {
            #expect(TimeZoneOffset(text) == nil, "\(text)")
        }
    }

    @Test func suggestionsAreNear() {
        #expect(Suggestion.editDistance("port", "prot") == 1)
        #expect(Suggestion.editDistance("", "abc") == 3)
        #expect(Suggestion.nearest(to: "max_retrys", among: ["max_retries", "max_body_size"]) == "max_retries")
        #expect(Suggestion.nearest(to: "colour", among: ["host", "port"]) == nil)
    }
}
