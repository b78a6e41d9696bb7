import Glibc
import Reactor

@testable import LLM

func withBytes<Result>(_ text: String, _ body: (Bytes) -> Result) -> Result {
    Array(text.utf8).withUnsafeBytes { body(Bytes($0)) }
}

/// What a reader makes of a text, fed whole or in pieces of `piece` bytes.
func reading(
    _ text: String, endpoint: Endpoint = .chatCompletions, apiType: APIType = .openai, framing: Framing = .sse,
    piece: Int = .max
) -> AnswerReader {
    var reader = AnswerReader(endpoint: endpoint, apiType: apiType, framing: framing)
    feed(&reader, Array(text.utf8)) { min($0, piece) }
    return reader
}

func requestReading(_ text: String, piece: Int = .max) -> RequestReader {
    var reader = RequestReader()
    let body = Array(text.utf8)
    body.withUnsafeBufferPointer { buffer in
        var at = 0
        while at < buffer.count {
            let n = min(piece, buffer.count - at)
            reader.feed(buffer.baseAddress! + at, n)
            at += n
        }
    }
    return reader
}

extension AnswerReader {
    var servedModel: String { withServedModel { $0.string } }
}

/// LiteLLM's price file; nil, and said so, where it is not there.
func sharedPriceFile() -> [UInt8]? {
    let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    let path = repository.joined(separator: "/") + "/../shared/prices/model_prices_and_context_window.json"
    guard let file = fopen(path, "r") else {
        print("skipped: \(path) is not there")
        return nil
    }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 8 << 20)
    bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
    return bytes
}
