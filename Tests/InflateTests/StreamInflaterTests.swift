import CZlib
import Reactor
import Testing

@testable import Inflate

struct StreamInflaterTests {
    /// A body compressed by zlib itself; window bits choose the format.
    static func deflate(_ body: [UInt8], windowBits: Int32) -> [UInt8] {
        var stream = z_stream()
        let began = deflateInit2_(
            &stream, 6, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(began == Z_OK)
        defer { deflateEnd(&stream) }
        var input = body
        var output = [UInt8](repeating: 0, count: body.count + body.count / 100 + 100)
        let capacity = output.count
        return input.withUnsafeMutableBufferPointer { from in
            output.withUnsafeMutableBufferPointer { to in
                stream.next_in = from.baseAddress
                stream.avail_in = UInt32(body.count)
                stream.next_out = to.baseAddress
                stream.avail_out = UInt32(capacity)
                precondition(CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END)
                return Array(to.prefix(capacity - Int(stream.avail_out)))
            }
        }
    }

    struct Result {
        var bytes: [UInt8] = []
        var state = StreamInflater.State.open
        var inflated: UInt64 = 0
    }

    static func inflate(_ body: [UInt8], _ coding: Inflater.Coding, piece: Int, room: Int = 512, keep: Bool = true)
        -> Result
    {
        let workspace = UnsafeMutableRawPointer.allocate(byteCount: StreamInflater.workspaceSize, alignment: 16)
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: room)
        defer {
            workspace.deallocate()
            out.deallocate()
        }
        var inflater = StreamInflater(coding, workspace: workspace)
        var result = Result()
        var at = 0
        while at < body.count {
            let n = min(piece, body.count - at)
            body.withUnsafeBufferPointer { buffer in
                var consumed = 0
                while true {
                    let made = inflater.next(buffer.baseAddress! + at, n, consumed: &consumed, into: out, room: room)
                    if made == 0 { break }
                    if keep { result.bytes.append(contentsOf: UnsafeBufferPointer(start: out, count: made)) }
                }
            }
            at += n
        }
        result.state = inflater.state
        result.inflated = inflater.bytesOut
        return result
    }

    static let text: [UInt8] = (0..<400).flatMap { Array("data: {\"n\":\($0)}\n\n".utf8) }

    @Test(arguments: [(Inflater.Coding.gzip, Int32(31)), (.deflate, 15), (.deflate, -15)], [1, 2, 7, 100, 100_000])
    func everyFormatComesOutInPiecesOfAnySize(format: (Inflater.Coding, Int32), piece: Int) {
        let result = Self.inflate(Self.deflate(Self.text, windowBits: format.1), format.0, piece: piece)
        #expect(result.bytes == Self.text)
        #expect(result.state != .failed)
    }

    @Test func gzipMembersFollowOneAnother() {
        let body = Self.deflate([1, 2, 3], windowBits: 31) + Self.deflate(Self.text, windowBits: 31) + [0, 0, 0]
        for piece in [1, 5, 10_000] {
            #expect(Self.inflate(body, .gzip, piece: piece).bytes == [1, 2, 3] + Self.text)
        }
    }

    @Test func whatIsCutGivesWhatThereIs() {
        let body = Self.deflate(Self.text, windowBits: 31)
        let result = Self.inflate(Array(body.prefix(body.count / 2)), .gzip, piece: 10)
        #expect(!result.bytes.isEmpty && Self.text.starts(with: result.bytes))
        #expect(result.state == .open)
    }

    @Test func damageEndsIt() {
        var body = Self.deflate(Self.text, windowBits: 31)
        body[body.count / 2] ^= 0x55
        #expect(Self.inflate(body, .gzip, piece: 64).state == .failed)
        #expect(Self.inflate(Array("no gzip at all".utf8), .gzip, piece: 4).state == .failed)
        #expect(Self.inflate([], .gzip, piece: 4).state == .open)
    }

    @Test func aBombIsGivenUp() {
        let bomb = Self.deflate([UInt8](repeating: 0x20, count: 64 << 20), windowBits: 31)
        let result = Self.inflate(bomb, .gzip, piece: 1000, room: 16_384, keep: false)
        #expect(result.state == .failed)
        #expect(result.inflated < StreamInflater.freeOutput * 2)
    }

    @Test func wholeBodies() {
        let body = Self.deflate(Self.text, windowBits: 31)
        body.withUnsafeBytes {
            #expect(Inflater.decode(Bytes($0), .gzip, limit: 100_000) == Self.text)
            #expect(Inflater.decode(Bytes($0), .gzip, limit: 10) == Array(Self.text.prefix(10)))
        }
        #expect(Inflater.Coding(contentEncoding: Bytes("GZip")) == .gzip)
        #expect(Inflater.Coding(contentEncoding: Bytes("x-gzip")) == .gzip)
        #expect(Inflater.Coding(contentEncoding: Bytes("deflate")) == .deflate)
        #expect(Inflater.Coding(contentEncoding: Bytes("br")) == nil)
        #expect(Inflater.Coding(contentEncoding: Bytes("gzip, identity")) == .gzip)
        #expect(Inflater.Coding(contentEncoding: Bytes(" identity ,,\tGZIP , ")) == .gzip)
        for other in ["gzip, deflate", "gzip,gzip", "identity", "", ",", "gzip;q=1", "zstd, identity"] {
            #expect(Array(other.utf8).withUnsafeBytes { Inflater.Coding(contentEncoding: Bytes($0)) } == nil)
        }
    }
}
