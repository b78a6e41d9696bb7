import Reactor
import Testing

@testable import LLM

/// What a request for speech is paid for by.
struct SpokenTextTests {
    private func characters(_ body: [UInt8], piece: Int = .max) -> Int64 {
        var reader = RequestReader()
        return body.withUnsafeBufferPointer { buffer in
            var at = 0
            while at < buffer.count {
                let n = min(piece, buffer.count - at)
                reader.feed(buffer.baseAddress! + at, n)
                at += n
            }
            return withUnsafeMutablePointer(to: &reader) {
                $0.spokenCharacters(in: Bytes(buffer.baseAddress, buffer.count))
            }
        }
    }

    @Test(
        arguments: [
            (#""hello, world""#, 12), (#""""#, 0), (#"" a\n b ""#, 6), (#""é""#, 1), (#""\u00e9""#, 1),
            (#""\u00E9x""#, 2),
            ("\"e\u{301}\"", 2), ("\"\u{1F600}\"", 1), (#""\ud83d\ude00""#, 1), (#""\uD83D\uDE00\uD83D\uDE00""#, 2),
            (#""👨‍👩‍👧""#, 5), (#""\"\\\/\b\f\n\r\t""#, 8), ("\"汉字かな\"", 4), (#""\\u00e9""#, 6), (#""\u0000""#, 1),
            // Half a pair.
            (#""\ud83d""#, 1), (#""\ud83dx""#, 2), (#""\ud83d\u0041""#, 2), (#""\ude00\ud83d""#, 2),
            (#""\ud83d\n""#, 2),
            (#""\ud83d\ud83d\ude00""#, 2), (#""\ud83d\\ude00""#, 7),
        ] as [(String, Int64)])
    func aCharacterIsACodePoint(text: String, count: Int64) {
        for body in [#"{"model":"m","input":\#(text)}"#, #"{ "input" : \#(text) , "voice":"v"}"#] {
            let bytes = Array(body.utf8)
            for piece in [1, 2, 3, 7, Int.max] { #expect(characters(bytes, piece: piece) == count, "\(body)") }
        }
    }

    @Test(
        arguments: [
            (#"{"input":5}"#, 0), (#"{"input":null}"#, 0), (#"{"input":true}"#, 0), (#"{"input":["abc"]}"#, 0),
            (#"{"input":{"text":"abc"}}"#, 0), (#"{"model":"m"}"#, 0), (#"["input","abc"]"#, 0),
            (#"[{"input":"abc"}]"#, 0),
            // The last counts.
            (#"{"input":"abc","input":"abcde"}"#, 5), (#"{"input":"abcde","input":"a"}"#, 1),
            (#"{"input":"abc","input":null}"#, 0), (#"{"input":"abc","input":7}"#, 0),
            (#"{"input":"abc","input":["a"]}"#, 0),
            (#"{"input":"abc","input":[]}"#, 0), (#"{"input":"abc","input":{}}"#, 0),
            (#"{"input":["a"],"input":"ab"}"#, 2),
            (#"{"input":"abc","\u0069nput":"ab"}"#, 2), (#"{"input":"abc","in\u0070ut":null}"#, 0),
            // Another's member.
            (#"{"x":{"input":"abc"},"input":"a"}"#, 1), (#"{"input":"a","x":{"input":"abc"}}"#, 1),
            (#"{"input":"a","messages":[{"input":"abc"}],"tools":[{"input":"abcd"}]}"#, 1),
            // No JSON, or not all of it.
            (#"{"input":"abc""#, 0), (#"{"input":"abc"#, 0), (#"{"input":"\u00g9"}"#, 0),
            (#"{"input":"\ud83d\ude0"}"#, 0),
            (#"{"input":"\x41"}"#, 0), ("{\"input\":\"a\nb\"}", 0), (#"{"input":"abc"}{"input":"a"}"#, 0), ("", 0),
        ] as [(String, Int64)])
    func onlyATextThatIsTheInputCounts(body: String, count: Int64) {
        for piece in [1, 4, Int.max] { #expect(characters(Array(body.utf8), piece: piece) == count, "\(body)") }
    }

    @Test func longTexts() {
        for (unit, count) in [("a", 1), ("é", 1), (#"\u00e9"#, 1), (#"\ud83d\ude00"#, 1), ("\u{1F600}\\n", 2)] {
            let body = #"{"input":""# + String(repeating: unit, count: 100_000) + #"","model":"m"}"#
            #expect(characters(Array(body.utf8), piece: 4099) == Int64(100_000 * count), "\(unit)")
        }
    }

    /// What is no UTF-8 never counts less than what would be made of it.
    @Test func brokenUTF8() {
        var random = SplitMix(seed: 9)
        for _ in 0..<5000 {
            let text = (0..<Int(random.next() % 12)).map { _ in
                [0x41, 0x80, 0xBF, 0xC3, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0xFF][Int(random.next() % 10)] as UInt8
            }
            let body = Array(#"{"input":""#.utf8) + text + Array(#""}"#.utf8)
            let valid = String(validating: text, as: UTF8.self)
            let count = characters(body)
            if let valid {
                #expect(count == Int64(valid.unicodeScalars.count))
            } else {
                #expect(count > 0 && count <= Int64(text.count))
            }
        }
    }

    @Test(
        arguments: [
            (#"{"document":{"type":"document_url","document_url":"u"}}"#, 1000, false),
            (#"{"document":{"type":"image_url","image_url":"u"}}"#, 1, false),
            (#"{"document":{"type":"document_url"},"pages":[0,1,5]}"#, 3, false), (#"{"pages":[]}"#, 1, false),
            (#"{"pages":"0-5"}"#, 1000, false), (#"{"pages":null}"#, 1000, false),
            (#"{"pages":[1],"pages":"1-9"}"#, 1000, false),
            (#"{"pages":[1,2],"pages":[1]}"#, 1, false), (#"{"pages":["0-500"]}"#, 1000, false),
            // What is no list of numbers is not taken for a short one.
            (#"{"pages":[1,"0-500",2]}"#, 1000, false), (#"{"pages":[1,[2],3]}"#, 1000, false),
            (#"{"pages":3}"#, 1000, false),
            (#"{"pages":[1,{"x":1},2]}"#, 1000, false),
            (#"{"document":{"type":"image_url"},"document":{}}"#, 1000, false),
            (#"{"x":{"pages":[1]}}"#, 1000, false),
            (#"{"pages":[1],"document_annotation_format":{"type":"json_schema"}}"#, 1, true),
            (#"{"bbox_annotation_format":{},"document_annotation_format":null}"#, 1000, true),
        ] as [(String, Int64, Bool)])
    func pagesThatAreAskedFor(body: String, count: Int64, areAnnotated: Bool) {
        for piece in [1, Int.max] {
            let pages = requestReading(body, piece: piece).pages
            #expect(pages.count == count && pages.areAnnotated == areAnnotated, "\(body)")
        }
    }
}
