import Testing

@testable import Store

struct TimestampTests {
    static let instants: [(Int64, Int, String)] = [
        (0, 0, "1970-01-01T00:00:00.000+00:00"),
        (1_780_716_415_123, 480, "2026-06-06T11:26:55.123+08:00"),
        (951_782_399_999, 0, "2000-02-28T23:59:59.999+00:00"),
        (951_782_400_000, 0, "2000-02-29T00:00:00.000+00:00"),
        (951_868_800_000, 0, "2000-03-01T00:00:00.000+00:00"),
        (4_107_542_399_000, 0, "2100-02-28T23:59:59.000+00:00"),
        (4_107_542_400_000, 0, "2100-03-01T00:00:00.000+00:00"),
        (1_709_164_800_000, -330, "2024-02-28T18:30:00.000-05:30"),
        (1_709_251_199_000, 60, "2024-03-01T00:59:59.000+01:00"),
        (-1, 0, "1969-12-31T23:59:59.999+00:00"),
        (-2_203_891_200_000, 0, "1900-03-01T00:00:00.000+00:00"),
        (1_735_689_599_999, 0, "2024-12-31T23:59:59.999+00:00"),
    ]

    @Test(arguments: instants)
    func knownInstants(_ instant: (milliseconds: Int64, offset: Int, text: String)) {
        #expect(Timestamp.text(milliseconds: instant.milliseconds, offsetMinutes: instant.offset) == instant.text)
        #expect(Timestamp.parse(instant.text) == instant.milliseconds)
    }

    @Test func everyDayOfEightHundredYearsGoesThereAndBack() {
        var previous = Timestamp.civil(daysSince1970: -135_141)
        for day in Int64(-135_140)...157_060 {
            let date = Timestamp.civil(daysSince1970: day)
            let isSame = Timestamp.daysSince1970(year: date.year, month: date.month, day: date.day) == day
            let isNext =
                (date.year == previous.year && date.month == previous.month && date.day == previous.day + 1)
                || (date.day == 1 && previous.day == Timestamp.days(inMonth: previous.month, year: previous.year))
            if !isNext || !isSame { Issue.record("\(previous) is followed by \(date)") }
            previous = date
        }
    }

    @Test func whatTextsMayLookLike() {
        let midnight: Int64 = 1_780_704_000_000
        #expect(Timestamp.parse("2026-06-06") == midnight)
        #expect(Timestamp.parse("2026-06-06", defaultOffsetMinutes: 480) == midnight - 28_800_000)
        #expect(Timestamp.parse("2026-06-06T00:00Z", defaultOffsetMinutes: 480) == midnight)
        #expect(Timestamp.parse("2026-06-06 01:02:03.5+0100") == midnight + 123_500)
        #expect(Timestamp.parse("2026-06-06T01:02:03.123456789+01") == midnight + 123_123)
        #expect(Timestamp.parse("2026-06-06T23:59:60Z") == midnight + 86_399_000)
        for bad in [
            "", "2026", "2026-13-01", "2026-02-29", "2026-06-06T", "2026-06-06T24:00", "2026-06-06T00:00:00.",
            "2026-06-06T00:00+1", "2026-06-06x", "2026-06-06T00:00:00Zjunk", "0000-01-01", "2026-6-6",
            "2026-06-06T00:60",
        ] {
            #expect(Timestamp.parse(bad) == nil, "\(bad)")
        }
    }

    @Test func upperBoundsMeanTheEndOfWhatIsNamed() {
        let midnight: Int64 = 1_780_704_000_000
        #expect(Timestamp.parseUpperBound("2026-06-06") == midnight + 86_399_999)
        #expect(Timestamp.parseUpperBound("2026-06-06T00:00") == midnight + 59_999)
        #expect(Timestamp.parseUpperBound("2026-06-06T00:00:00") == midnight + 999)
        #expect(Timestamp.parseUpperBound("2026-06-06T00:00:00.007") == midnight + 7)
    }

    @Test func onlyADateEndsWithItsDay() {
        let midnight = Timestamp.parse("2026-06-06")!
        #expect(Timestamp.parseEnd("2026-06-06") == midnight + 86_399_999)
        #expect(Timestamp.parseEnd("2026-06-06", defaultOffsetMinutes: 480) == midnight - 480 * 60_000 + 86_399_999)
        #expect(Timestamp.parseEnd("2026-06-06T00:00") == midnight)
        #expect(Timestamp.parseEnd("2026-06-06T00:00:00Z") == midnight)
        #expect(Timestamp.parseEnd("2026-06-06T00:00:00.007Z") == midnight + 7)
        #expect(Timestamp.parseEnd("2026-06-06T24:00") == nil)
    }

    @Test func farTimesAreClampedToFourDigitYears() {
        #expect(Timestamp.text(milliseconds: .max, offsetMinutes: 840).count == Timestamp.length)
        #expect(Timestamp.text(milliseconds: .min, offsetMinutes: -840).count == Timestamp.length)
        for offset in [-840, 0, 480] {
            let zone = Timestamp.text(milliseconds: 0, offsetMinutes: offset).suffix(6)
            #expect(Timestamp.text(milliseconds: .max, offsetMinutes: offset) == "9999-12-31T23:59:59.999\(zone)")
            #expect(Timestamp.text(milliseconds: .min, offsetMinutes: offset) == "0001-01-01T00:00:00.000\(zone)")
            for day in ["0001-01-01", "9999-12-31"] {
                let noon = "\(day)T12:00:00.000\(zone)"
                #expect(Timestamp.parse(noon).map { Timestamp.text(milliseconds: $0, offsetMinutes: offset) } == noon)
            }
        }
    }

    @Test func theCachingWriterAgreesWithThePlainOne() {
        var cached = TimeText()
        var milliseconds: Int64 = 1_780_716_415_123
        for step in 0..<5000 {
            milliseconds += Int64(step * 37 % 1931)
            let text = [UInt8](unsafeUninitializedCapacity: Timestamp.length) { buffer, count in
                cached.write(
                    milliseconds: milliseconds, offsetMinutes: step < 2500 ? 480 : -90, into: buffer.baseAddress!)
                count = Timestamp.length
            }
            let plain = Timestamp.text(milliseconds: milliseconds, offsetMinutes: step < 2500 ? 480 : -90)
            #expect(String(decoding: text, as: UTF8.self) == plain)
        }
    }
}
