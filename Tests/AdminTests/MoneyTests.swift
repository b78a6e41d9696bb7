import Testing

@testable import Admin

@Suite struct MoneyTests {
    @Test(arguments: [
        (0, "0"), (1, "0.000001"), (49, "0.000049"), (100_000, "0.1"), (12_500_000, "12.5"), (3_000_000, "3"),
        (999_999_999_999_999, "999999999.999999"), (-1_500_000, "-1.5"), (Int64.min, "-9223372036854.775808"),
    ])
    func amountsAreWrittenExactly(_ micros: Int64, _ text: String) {
        #expect(Money.text(micros) == text)
        if micros >= 0 { #expect(Money.micros(text) == micros) }
    }

    @Test(arguments: [("12.50", 12_500_000), ("0.000000", 0), ("1", 1_000_000)])
    func zerosAtTheEndSayNothing(_ text: String, _ micros: Int64) { #expect(Money.micros(text) == micros) }

    @Test(arguments: [
        "", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000001", "1000000000", "01", "1,5", " 1", "1 ", "٣", "1.2.3", "NaN",
    ])
    func otherTextsAreNoAmounts(_ text: String) { #expect(Money.micros(text) == nil) }
}
