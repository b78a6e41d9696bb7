import CScan
import Glibc

/// What the events of a stream with more content look like, learned from the last one that was read. An event that differs
/// from it only in values nobody asks about, and in the content, need not be read again: comparing takes a tenth of that.
///
/// Refers to memory of an `EventShapes`.
public struct EventShape: BitwiseCopyable, @unchecked Sendable {
    let memory: UnsafeMutableRawPointer
    /// Where an event's holes are noted before it is known to be one to learn from.
    let draft: UnsafeMutableRawPointer
}

/// Shapes for one thread, each shared by the streams that look alike: those of one model at one provider.
public struct EventShapes: BitwiseCopyable, @unchecked Sendable {
    public static let count = 64
    private let base: UnsafeMutableRawPointer

    /// Memory until `deallocate`, committed as it is used.
    public init() {
        guard let base = calloc(Self.count + 1, Int(FG_SHAPE_SIZE)) else { fatalError("no memory") }
        self.base = base
    }

    public func deallocate() { free(base) }

    /// - Parameter index: any number; those that are equal modulo `count` share a shape.
    @inline(__always)
    public subscript(index: Int) -> EventShape {
        EventShape(
            memory: base + (index & (Self.count - 1)) * Int(FG_SHAPE_SIZE),
            draft: base + Self.count * Int(FG_SHAPE_SIZE))
    }
}

extension AnswerReader {
    /// An event of this stream may be compared instead of read: nothing is unfinished.
    private var isBetweenEvents: Bool {
        isSniffed && framing == .sse && column == 0 && !hasData && !afterCarriageReturn && walk.isBetweenTexts
    }

    /// Takes the events at the start of `p[0 ..< n]` that are whole and of a known shape.
    /// - Returns: bytes taken; 0 if the first is to be read.
    public mutating func takeKnown(_ p: UnsafePointer<UInt8>, _ n: Int, _ shape: EventShape) -> Int {
        guard isBetweenEvents, suits(shape) else { return 0 }
        var taken = 0
        while taken < n {
            let length = fg_shape_match(shape.memory, p + taken, n &- taken, &walk.countedBytes)
            if length == 0 { break }
            taken &+= length
            if documents < .max { documents &+= 1 }
        }
        return taken
    }

    /// `feed`, comparing what is known and learning from what is not.
    public mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int, _ shape: EventShape) {
        var i = takeKnown(p, n, shape)
        while i < n {
            let length = isBetweenEvents ? fg_event_length(p + i, n &- i) : 0
            if length == 0 { return feed(p + i, n &- i) }
            learn(p + i, length, shape)
            i &+= length
            if i < n { i &+= takeKnown(p + i, n &- i, shape) }
        }
    }

    /// `mutating` only in form: else each event's call would get a copy of the reader.
    private mutating func suits(_ shape: EventShape) -> Bool {
        let (copy, length) = (model, Int(modelLength))
        return copy.span.withUnsafeBufferPointer {
            fg_shape_suits(shape.memory, standing, $0.baseAddress!, length) != 0
        }
    }

    /// Reads one event, and learns from it if all it does is to add content.
    private mutating func learn(_ p: UnsafePointer<UInt8>, _ n: Int, _ shape: EventShape) {
        let before = (
            documents: documents, counted: walk.countedBytes, other: walk.otherBytes, images: images,
            searchMentions: searchMentions
        )
        fg_shape_clear(shape.draft)
        walk.trace(shape.draft, from: p)
        feed(p, n)
        walk.endTrace()
        let counted = walk.countedBytes &- before.counted
        guard documents == before.documents &+ 1, counted > 0, fault == .none, !sawEnd, lastEvent == .other,
            !lastHasFields,
            images == before.images, searchMentions == before.searchMentions, walk.otherBytes == before.other,
            isBetweenEvents
        else { return }
        let length = lastNamesModel ? Int(modelLength) : 0
        let copy = model
        copy.span.withUnsafeBufferPointer {
            fg_shape_keep(shape.memory, shape.draft, p, n, counted, standing, $0.baseAddress!, length)
        }
    }
}
