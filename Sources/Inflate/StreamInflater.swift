import CZlib
import Reactor

/// Decompression of a body while it passes. All it needs lies in one workspace, which the caller provides and simply
/// takes back when done: nothing is allocated or freed here.
@frozen public struct StreamInflater: BitwiseCopyable {
    /// Bytes of the workspace, which has to be aligned to 16.
    public static let workspaceSize = 49_152
    /// What a body may hold before its compression ratio is looked at.
    public static let freeOutput: UInt64 = 4 << 20
    /// Beyond that, a body that is this many times its compressed size is a bomb and no text.
    public static let greatestRatio: UInt64 = 200

    public enum State: UInt8, BitwiseCopyable, Sendable {
        case open
        /// The compressed stream has ended; what follows it is ignored.
        case finished
        /// It is not of that coding, or damaged, or a bomb. Nothing more comes out.
        case failed
    }

    public private(set) var state: State = .open
    /// Compressed bytes taken and bytes given so far.
    public private(set) var bytesIn: UInt64 = 0
    public private(set) var bytesOut: UInt64 = 0
    private let workspace: UnsafeMutableRawPointer
    private let coding: Inflater.Coding
    private var isBegun = false
    /// A first byte of "deflate" that waits for the second, which tells zlib's format from the bare one.
    private var held: UInt8 = 0
    private var hasHeld = false
    private var isBetweenMembers = false

    public init(_ coding: Inflater.Coding, workspace: UnsafeMutableRawPointer) {
        self.coding = coding
        self.workspace = workspace
    }

    /// Decompresses from `p[0 ..< n]`, beginning at `consumed` and moving it on, into `out`. To be called until it
    /// returns 0.
    /// - Returns: bytes written to `out`, at most `room`.
    public mutating func next(
        _ p: UnsafePointer<UInt8>, _ n: Int, consumed: inout Int, into out: UnsafeMutablePointer<UInt8>, room: Int
    ) -> Int {
        guard state == .open else { return 0 }
        if !isBegun, !begin(p, n, &consumed) { return 0 }
        let space = workspace.assumingMemoryBound(to: fg_inflate_space.self)
        while true {
            if hasHeld {
                // Only ever before the first byte of the stream, so there is room for what comes of it.
                let made = withUnsafePointer(to: held) { run(space, $0, 1, out, room).made }
                hasHeld = false
                if made < 0 { return 0 }
                if made > 0 { return made }
            }
            if isBetweenMembers {
                // gzip allows members one after the other (RFC 1952 §2.2); zeros may pad the last.
                while consumed < n, p[consumed] == 0 { consumed &+= 1 }
                guard consumed < n else { return 0 }
                guard p[consumed] == 0x1F, inflateReset(&space.pointee.stream) == Z_OK else {
                    state = .finished
                    return 0
                }
                isBetweenMembers = false
            }
            let result = run(space, p + consumed, min(n &- consumed, 1 << 20), out, room)
            consumed &+= result.taken
            if result.made > 0 { return result.made }
            if result.made < 0 || consumed >= n || (result.taken == 0 && !isBetweenMembers) { return 0 }
        }
    }

    /// zlib's two formats of "deflate" are told apart by their first two bytes (RFC 1950 §2.2).
    private mutating func begin(_ p: UnsafePointer<UInt8>, _ n: Int, _ consumed: inout Int) -> Bool {
        guard consumed < n else { return false }
        var bits: Int32 = 15 + 16
        if coding == .deflate {
            if !hasHeld {
                held = p[consumed]
                hasHeld = true
                consumed &+= 1
                guard consumed < n else { return false }
            }
            let isZlib = held & 0x0F == 8 && (UInt16(held) << 8 | UInt16(p[consumed])) % 31 == 0
            bits = isZlib ? 15 : -15
        }
        guard fg_inflate_begin(workspace, UInt32(Self.workspaceSize), bits) == Z_OK else {
            state = .failed
            return false
        }
        isBegun = true
        return true
    }

    /// `made` is -1 where nothing more will come.
    private mutating func run(
        _ space: UnsafeMutablePointer<fg_inflate_space>, _ p: UnsafePointer<UInt8>, _ n: Int,
        _ out: UnsafeMutablePointer<UInt8>, _ room: Int
    ) -> (taken: Int, made: Int) {
        space.pointee.stream.next_in = UnsafeMutablePointer(mutating: p)
        space.pointee.stream.avail_in = UInt32(n)
        space.pointee.stream.next_out = out
        space.pointee.stream.avail_out = UInt32(room)
        let code = inflate(&space.pointee.stream, Z_NO_FLUSH)
        let taken = n &- Int(space.pointee.stream.avail_in)
        let made = room &- Int(space.pointee.stream.avail_out)
        bytesIn &+= UInt64(taken)
        bytesOut &+= UInt64(made)
        if bytesOut > Self.freeOutput, bytesOut / Self.greatestRatio > bytesIn {
            state = .failed
            return (taken, -1)
        }
        switch code {
        case Z_STREAM_END:
            if coding == .gzip { isBetweenMembers = true } else { state = .finished }
        case Z_OK, Z_BUF_ERROR: break
        default:
            state = .failed
            if made == 0 { return (taken, -1) }
        }
        return (taken, made)
    }
}
