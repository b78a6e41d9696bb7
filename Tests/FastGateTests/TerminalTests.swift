import Testing

@testable import FastGate

@Suite struct TerminalTests {
    @Test func tablesAlign() {
        var table = Table([.init("ID"), .init("N", .right), .init("LAST")])
        table.add(["甲", "5", "x"])
        table.add(["abc", "1000", "\u{1B}[31m"])
        table.add(["", "", ""])
        #expect(table.lines() == ["ID      N  LAST", "甲      5  x", "abc  1000  \\u{1b}[31m", ""])
    }

    @Test func tablesShrinkToTheTerminal() {
        var table = Table([.init("ID"), .init("PATH", shrinks: true), .init("WHY", shrinks: true)])
        table.add(["1", "/v1/chat/completions", "不匹配的请求路径"])
        #expect(table.lines(width: 40).map(TextWidth.of) == [27, 40])
        let lines = table.lines(width: 30)
        #expect(lines[1] == "1   /v1/chat/co…  不匹配的请…")
        #expect(TextWidth.of(lines[1]) <= 30)
        // As narrow as it can be, but never nothing.
        #expect(table.lines(width: 1)[1] == "1   /v1/c…  不匹…")
        #expect(table.lines(width: nil)[1].contains("/v1/chat/completions"))
    }

    @Test func looksDoNotDisturbColumns() {
        var table = Table([.init("A"), .init("B", .right)])
        table.add([.init("x", .green), .init("1", .red)])
        #expect(
            table.lines(style: Style(isOn: true)) == [
                "\u{1B}[1mA\u{1B}[0m  \u{1B}[1mB\u{1B}[0m", "\u{1B}[32mx\u{1B}[0m  \u{1B}[31m1\u{1B}[0m",
            ])
    }

    @Test(arguments: [
        ("abc", 3), ("甲乙", 4), ("e\u{301}", 1), ("ｱ", 1), ("Ａ", 2), ("한국", 4), ("👨‍👩‍👧", 2), ("🇨🇳", 2), ("❤️", 2), ("→…", 2),
        ("\u{200B}", 0), ("かな", 4), ("，。", 4),
    ])
    func widthsAreColumns(text: String, width: Int) {
        #expect(TextWidth.of(text) == width)
    }

    @Test func cutsKeepWholeCharacters() {
        #expect(TextWidth.cut("甲乙丙", to: 6) == "甲乙丙")
        #expect(TextWidth.cut("甲乙丙", to: 5) == "甲乙…")
        #expect(TextWidth.cut("甲乙丙", to: 4) == "甲…")
        #expect(TextWidth.cut("abc", to: 1) == "…")
        #expect(TextWidth.cut("abc", to: 0) == "")
    }

    @Test func coloursAreForTerminals() {
        func isOn(_ choice: String?, _ environment: [String: String] = [:], terminal: Bool = true) -> Bool {
            Style(choice: choice, environment: environment, isTerminal: terminal).isOn
        }
        #expect(isOn(nil) && isOn("auto") && !isOn(nil, terminal: false))
        #expect(!isOn(nil, ["NO_COLOR": "1"]) && isOn(nil, ["NO_COLOR": ""]) && !isOn(nil, ["TERM": "dumb"]))
        #expect(isOn("always", ["NO_COLOR": "1"], terminal: false) && !isOn("never"))
    }

    @Test func quantitiesAreForPeople() {
        #expect([0, 999, 1000, -1_234_567].map(Quantity.count) == ["0", "999", "1,000", "-1,234,567"])
        #expect([0, 1023, 1536, 5 << 20, 3 << 40].map(Quantity.bytes) == ["0 B", "1023 B", "1.5 KB", "5 MB", "3 TB"])
        #expect(
            [0.25, 12.34, 999, 4500, 200_000, 7_500_000, 100_000_000].map { Quantity.duration(milliseconds: $0) } == [
                "250 µs", "12.3 ms", "999 ms", "4.5 s", "3 min 20 s", "2 h 5 min", "1 d 3 h",
            ])
        #expect([0.999_71, 1, 0].map(Quantity.percent) == ["99.97 %", "100 %", "0 %"])
        #expect(Quantity.decimal(.nan) == "-" && Quantity.decimal(0.126) == "0.13")
    }

    @Test func progressSaysHowFarItIs() {
        #expect(
            Progress.line("lines", 500, total: 2000, bytes: 2048, seconds: 1)
                == "[######------------------] 25 %  500 of 2,000 lines  2 KB  2 KB/s")
        #expect(Progress.line("lines", 5, total: nil, bytes: nil, seconds: 0) == "5 lines")
        #expect(
            Progress.line("lines", 9, total: 5, bytes: nil, seconds: 0).hasPrefix("[########################] 100 %"))
    }

    @Test func progressIsDrawnOnlyWhereItIsSeen() {
        let console = CatchingConsole()
        let progress = Progress(console, "routes", total: 2, isMixed: false)
        progress.update(1)
        progress.finish()
        #expect(console.progress.isEmpty)
        console.seesProgress = true
        for isMixed in [true, false] {
            let progress = Progress(console, "routes", total: 2, isMixed: isMixed)
            progress.update(1)
            progress.finish()
        }
        #expect(console.progress == "\r\u{1B}[K[############------------] 50 %  1 of 2 routes\r\u{1B}[K")
    }

    @Test func textWraps() {
        #expect(TextWrap.lines("a bb ccc dddddd", width: 6) == ["a bb", "ccc", "dddddd"])
        #expect(TextWrap.lines("a-very-long-word x", width: 4) == ["a-very-long-word", "x"])
        #expect(TextWrap.lines("", width: 4) == [])
    }
}
