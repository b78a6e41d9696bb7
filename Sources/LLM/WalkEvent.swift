/// What a `JSONWalk` came upon.
struct WalkEvent: BitwiseCopyable {
    /// In the order of CScanWalk.h.
    enum Kind: UInt8, BitwiseCopyable {
        /// All bytes are taken.
        case needMore
        /// A string that is wanted: `count` bytes at `start` of the piece, or if that is -1 in the walk's `token`.
        case string
        /// A number that is wanted: `value`, or -1 if it is no count of tokens.
        case number
        /// `true` (1) or `false` (0) that is wanted, in `value`.
        case literal
        /// An object that is wanted begins or ends here; of what is only counted, the beginning.
        case begin, end
        /// An array of such objects begins here.
        case array
        /// Something else stands in a place than what is wanted there.
        case cleared
        /// A whole object of the root place has ended.
        case document
        case malformed
    }

    var kind: Kind
    var place: UInt8 = 0
    var start: Int = 0
    var count: Int = 0
    var value: Int64 = 0
}
