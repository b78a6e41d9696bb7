import CScan

/// What ``ChunkedDecoder/next(_:_:consumed:limits:)`` found. Offsets count from the pointer it was given.
@frozen public enum ChunkEvent: BitwiseCopyable, Equatable, Sendable {
    /// Content; never empty.
    case data(offset: Int, count: Int)
    /// All of the input has been used, but for an unfinished trailer section.
    case needMore
    /// The trailer section: validated field lines, each with its CRLF, without the empty line; never empty.
    case trailers(offset: Int, count: Int)
    /// The body is complete. What follows belongs to the next message.
    case end
    case failed(HTTPFailure)
}

/// Takes the chunked transfer coding off a body (RFC 9112 §7.1).
///
/// Strict: sizes of at most 16 digits (and Int64), CRLF everywhere, extensions by their grammar and of bounded length,
/// trailers as strict as header fields. Extensions are dropped.
@frozen public struct ChunkedDecoder: BitwiseCopyable, Sendable {
    @usableFromInline enum State: UInt8, BitwiseCopyable, Sendable {
        case size, sizeDigits, spaceAfterSize
        case extensionNameStart, extensionName, spaceAfterExtensionName
        case extensionValueStart, extensionValue, quoted, quotedPair, extensionValueEnd, spaceAfterExtensionValue
        case sizeLineFeed
        case data, dataCarriageReturn, dataLineFeed
        case trailers, finished
    }

    @usableFromInline var state = State.size
    @usableFromInline var digits: UInt8 = 0
    /// Extension bytes of this chunk's header.
    @usableFromInline var extensionBytes: UInt32 = 0
    /// Extension bytes not yet paid for by data, over the whole body.
    @usableFromInline var extensionDebt: UInt32 = 0
    /// Trailer bytes already known to be complete, valid lines.
    @usableFromInline var trailerPosition: UInt32 = 0
    @usableFromInline var trailerCount: UInt32 = 0
    /// Of the chunk's data, what is still to come.
    @usableFromInline var remaining: UInt64 = 0

    @inlinable public init() {}

    /// The last byte of the body has been consumed.
    @inlinable public var isFinished: Bool { state == .finished }

    /// Decodes p[consumed ..< n] up to the next event and moves `consumed` past what it used up.
    ///
    /// Call it until it returns `.needMore`, `.end` or `.failed`. After `.needMore`, bytes from `consumed` on (there are
    /// some only in an unfinished trailer section) have to be presented again, with more behind them.
    public mutating func next(
        _ p: UnsafePointer<UInt8>, _ n: Int, consumed: inout Int, limits: MessageLimits
    ) -> ChunkEvent {
        while true {
            switch state {
            case .size:
                // The common case: the header is whole, has no extension, and its data begins.
                let length = fg_chunk_header(p + consumed, n - consumed, &remaining)
                guard length > 0, remaining > 0 else { break }
                consumed += length
                settle(remaining)
                state = .data
                continue
            case .data:
                let available = n - consumed
                guard available > 0 else { return .needMore }
                let offset = consumed
                if remaining > UInt64(available) {
                    remaining -= UInt64(available)
                    consumed = n
                    return .data(offset: offset, count: available)
                }
                let count = Int(truncatingIfNeeded: remaining)
                remaining = 0
                consumed += count
                if n - consumed >= 2, p[consumed] == UInt8(ascii: "\r"), p[consumed + 1] == UInt8(ascii: "\n") {
                    consumed += 2
                    state = .size
                } else {
                    state = .dataCarriageReturn
                }
                return .data(offset: offset, count: count)
            case .trailers: return trailers(p, n, &consumed, limits)
            case .finished: return .end
            default: break
            }
            guard consumed < n else { return .needMore }
            let byte = p[consumed]
            consumed += 1
            if let code = step(byte, limits) { return .failed(HTTPFailure(code)) }
        }
    }

    /// Sets what extensions cost against what data came with them.
    @inline(__always) private mutating func settle(_ size: UInt64) {
        extensionDebt = UInt64(extensionDebt) > size ? extensionDebt - UInt32(truncatingIfNeeded: size) : 0
    }

    /// One byte of a chunk header, or of the CRLF after data.
    @inline(never) private mutating func step(_ byte: UInt8, _ limits: MessageLimits) -> HTTPFailureCode? {
        switch state {
        case .size, .sizeDigits:
            let digit = fg_hex_value(byte)
            if digit >= 0 {
                if state == .size { (remaining, digits, extensionBytes, state) = (0, 0, 0, .sizeDigits) }
                digits += 1
                guard digits <= 16 else { return .invalidChunkSize }
                remaining = remaining << 4 | UInt64(digit)
                return nil
            }
            guard state == .sizeDigits else { return .invalidChunkSize }
            guard remaining <= UInt64(Int64.max) else { return .chunkTooLarge }
            switch byte {
            case UInt8(ascii: "\r"): state = .sizeLineFeed
            case UInt8(ascii: ";"): state = .extensionNameStart
            case 0x20, 0x09: state = .spaceAfterSize
            default: return .invalidChunkSize
            }
            return nil
        case .sizeLineFeed:
            guard byte == UInt8(ascii: "\n") else { return .bareCarriageReturn }
            extensionDebt += extensionBytes
            settle(remaining)
            guard extensionDebt <= limits.maxChunkExtensionBytes else { return .chunkExtensionTooLong }
            state = remaining > 0 ? .data : .trailers
            return nil
        case .dataCarriageReturn:
            guard byte == UInt8(ascii: "\r") else { return .invalidChunkTerminator }
            state = .dataLineFeed
            return nil
        case .dataLineFeed:
            guard byte == UInt8(ascii: "\n") else { return .invalidChunkTerminator }
            state = .size
            return nil
        default:
            extensionBytes += 1
            guard extensionBytes <= limits.maxChunkExtensionBytes else { return .chunkExtensionTooLong }
            return stepExtension(byte)
        }
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112 §7.1.1. Whitespace that no ";" or "="
    /// follows is refused: it is not BWS.
    private mutating func stepExtension(_ byte: UInt8) -> HTTPFailureCode? {
        let isSpace = byte == 0x20 || byte == 0x09
        let isToken = fg_is(byte, Int32(FG_CLASS_TOKEN)) != 0
        switch (state, byte) {
        case (.spaceAfterSize, UInt8(ascii: ";")): state = .extensionNameStart
        case (.spaceAfterSize, _) where isSpace: break
        case (.extensionNameStart, _) where isSpace: break
        case (.extensionNameStart, _) where isToken: state = .extensionName
        case (.extensionName, _) where isToken: break
        case (.extensionName, UInt8(ascii: "=")), (.spaceAfterExtensionName, UInt8(ascii: "=")):
            state = .extensionValueStart
        case (.extensionName, UInt8(ascii: ";")), (.spaceAfterExtensionName, UInt8(ascii: ";")),
            (.extensionValue, UInt8(ascii: ";")), (.spaceAfterExtensionValue, UInt8(ascii: ";")):
            state = .extensionNameStart
        case (.extensionName, UInt8(ascii: "\r")), (.extensionValue, UInt8(ascii: "\r")): state = .sizeLineFeed
        case (.extensionName, _) where isSpace: state = .spaceAfterExtensionName
        case (.spaceAfterExtensionName, _) where isSpace: break
        case (.extensionValueStart, _) where isSpace: break
        case (.extensionValueStart, UInt8(ascii: "\"")): state = .quoted
        case (.extensionValueStart, _) where isToken: state = .extensionValue
        case (.extensionValue, _) where isToken: break
        case (.extensionValue, _) where isSpace: state = .spaceAfterExtensionValue
        case (.spaceAfterExtensionValue, _) where isSpace: break
        case (.quoted, UInt8(ascii: "\"")): state = .extensionValueEnd
        case (.quoted, UInt8(ascii: "\\")): state = .quotedPair
        case (.quoted, _) where fg_is(byte, Int32(FG_CLASS_QUOTED)) != 0: break
        case (.quotedPair, _) where fg_is(byte, Int32(FG_CLASS_VALUE)) != 0: state = .quoted
        case (.extensionValueEnd, UInt8(ascii: ";")): state = .extensionNameStart
        case (.extensionValueEnd, UInt8(ascii: "\r")): state = .sizeLineFeed
        case (.extensionValueEnd, _) where isSpace: state = .spaceAfterExtensionValue
        default: return .invalidChunkExtension
        }
        return nil
    }
}
