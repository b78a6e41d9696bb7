import CZlib
import Inflate
import Testing

@testable import LLM

struct CompressedAnswerTests {
    private static func gzip(_ body: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        let began = deflateInit2_(
            &stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(began == Z_OK)
        defer { deflateEnd(&stream) }
        var input = body
        let capacity = body.count + body.count / 100 + 100
        return [UInt8](unsafeUninitializedCapacity: capacity) { out, count in
            input.withUnsafeMutableBufferPointer { from in
                stream.next_in = from.baseAddress
                stream.avail_in = UInt32(from.count)
                stream.next_out = out.baseAddress
                stream.avail_out = UInt32(capacity)
                precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            }
            count = capacity - Int(stream.avail_out)
        }
    }

    private func read(
        _ body: [UInt8], endpoint: Endpoint = .chatCompletions, framing: Framing, piece: Int
    ) -> (AnswerReader, StreamInflater.State) {
        let workspace = UnsafeMutableRawPointer.allocate(byteCount: StreamInflater.workspaceSize, alignment: 16)
        let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 1024)
        defer {
            workspace.deallocate()
            scratch.deallocate()
        }
        var inflater = StreamInflater(.gzip, workspace: workspace)
        var reader = AnswerReader(endpoint: endpoint, apiType: .openai, framing: framing)
        body.withUnsafeBufferPointer { buffer in
            var at = 0
            while at < buffer.count {
                let n = min(piece, buffer.count - at)
                reader.feed(buffer.baseAddress! + at, n, through: &inflater, scratch: scratch, room: 1024)
                at += n
            }
        }
        return (reader, inflater.state)
    }

    @Test func recordedAnswersCompressed() {
        for (k, exchange) in Corpus.exchanges.enumerated() where k % 9 == 0 {
            let plain = LLMTests.read(exchange, exchange.body) { $0 }
            for piece in [3, 4096] {
                let (found, _) = read(
                    Self.gzip(exchange.body), endpoint: plain.endpoint, framing: plain.framing, piece: piece)
                #expect(found.reported == plain.reported, "\(exchange.id)")
                #expect(found.contentBytes == plain.contentBytes, "\(exchange.id)")
            }
        }
    }

    @Test func damageAndBombsLeaveAnEstimate() {
        let content = #"data: {"choices":[{"delta":{"content":"Hello"}}]}"# + "\n\n"
        var text = Array(content.utf8)
        text += [UInt8](repeating: 0x20, count: 64 << 20)
        text += Array(#"data: {"choices":[],"usage":{"prompt_tokens":1}}"#.utf8)
        let (reader, state) = read(Self.gzip(text), framing: .sse, piece: 4096)
        #expect(state == .failed)
        #expect(reader.settled(promptEstimate: 3) == TokenUsage(prompt: 3, completion: 2, estimated: true))
        // Without content before, by the size as it came.
        let blank = Self.gzip([UInt8](repeating: 0x20, count: 64 << 20))
        let size = Int64((blank.count + 3) / 4)
        for body in [blank, [UInt8](repeating: 0x7B, count: 401)] {
            for piece in [100, 4096, .max] {
                let (reader, state) = read(body, framing: .json, piece: piece)
                let written = body.count == 401 ? 101 : size
                #expect(state == .failed && reader.contentSeen)
                let wanted = TokenUsage(prompt: 3, completion: written, estimated: true)
                #expect(reader.settled(promptEstimate: 3) == wanted)
            }
        }
    }
}
