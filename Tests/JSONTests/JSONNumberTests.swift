import Testing

@testable import JSON

@Suite struct JSONNumberTests {
    private func number(_ literal: String) throws -> JSONNumber { try #require(JSONNumber(literal: literal)) }

    @Test(arguments: [
        ("1", "1.0"), ("1", "1e0"), ("100", "1E2"), ("0.001", "1e-3"), ("-0", "0"), ("0e99", "0.0"),
        ("12.50", "1.25e1"),
        ("123456789012345678901234567890", "1.2345678901234567890123456789e29"), ("-3.0", "-30e-1"),
    ])
    func equalValues(_ a: String, _ b: String) throws {
        #expect(try number(a) == number(b))
        #expect(try number(a).hashValue == number(b).hashValue)
    }

    @Test func order() throws {
        let ascending = [
            "-1e400", "-12.1", "-12", "-1.5", "-0.1", "-1e-400", "0", "1e-400", "0.09", "0.1", "0.11", "1", "1.01", "9",
            "10",
            "99", "100.5", "9007199254740992", "9007199254740993", "1e300", "1e400", "1.0000000000000000000001e400",
        ]
        let numbers = try ascending.map(number)
        for (i, a) in numbers.enumerated() {
            for (j, b) in numbers.enumerated() {
                #expect((a < b) == (i < j), "\(a) \(b)")
                #expect((a == b) == (i == j), "\(a) \(b)")
            }
        }
    }

    @Test func integers() throws {
        #expect(try number("9223372036854775807").int64Value == .max)
        #expect(try number("-9223372036854775808").int64Value == .min)
        #expect(try number("9223372036854775808").int64Value == nil)
        #expect(try number("-9223372036854775809").int64Value == nil)
        #expect(try number("1e18").int64Value == 1_000_000_000_000_000_000)
        #expect(try number("1e19").int64Value == nil)
        #expect(try number("12.0").int64Value == 12)
        #expect(try number("12.5").int64Value == nil)
        #expect(try number("-0.0").int64Value == 0)
        #expect(try number("1e1000000000000000000000").isInteger)
        #expect(try number("1e-1000000000000000000000").isInteger == false)
        #expect(try number("120e-1").isInteger)
        #expect(try number("125e-1").isInteger == false)
    }

    @Test func literalsAreChecked() {
        for bad in ["", " 1", "1 ", "01", "+1", ".5", "1.", "1e", "0x1", "NaN", "\"1\"", "1,2"] {
            #expect(JSONNumber(literal: bad) == nil, "\(bad)")
        }
        #expect(JSONNumber(Double.infinity) == nil)
        #expect(JSONNumber(1.5)?.literal == "1.5")
        #expect(JSONNumber(UInt64.max).literal == "18446744073709551615")
    }

    @Test func multiples() throws {
        func isMultiple(_ a: String, _ b: String) throws -> Bool {
            try number(a).withDecimal { x in try! number(b).withDecimal { y in x.isMultiple(of: y) } }
        }
        #expect(try isMultiple("0.0075", "0.0001"))
        #expect(try !isMultiple("0.00751", "0.0001"))
        #expect(try isMultiple("1e308", "0.5"))
        #expect(try !isMultiple("1e308", "0.123456789"))
        #expect(try isMultiple("-21", "7"))
        #expect(try isMultiple("0", "7"))
        #expect(try !isMultiple("4.5", "1.49"))
        #expect(try isMultiple("35e1000", "7e998"))
        #expect(try isMultiple("999999999999999999000000000000000000", "999999999999999999"))
    }
}
