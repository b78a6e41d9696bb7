import CSQLite
import Glibc
import Reactor

/// A prepared statement's parameters, and what each was bound to last: what is bound already need not be bound again.
struct Parameters: BitwiseCopyable {
    let statement: OpaquePointer
    /// By number. 0: something that was bound without asking here.
    let bound: UnsafeMutablePointer<UInt64>
}

/// Binds what mostly repeats from row to row. A text is kept here while it is the latest of its column; every parameter
/// that is bound to it already is passed over, for binding costs SQLite more than comparing costs us.
///
/// All parameters of a statement have to be bound anew, here or otherwise, before it runs.
struct RepeatedValues: ~Copyable {
    /// Of the audit and of usage records; texts of one column are likely to be the same.
    enum Column: Int, CaseIterable {
        case key, sourcePath, method, path, targetURL, userAgent, ip, error
        case provider, providerKey, modelRequested, modelServed, currency, outcome, usageKey, usageSourcePath, usageTier
    }

    private struct Text: BitwiseCopyable {
        var pointer: UnsafeMutablePointer<UInt8>
        var count = 0
        /// Never that of another text.
        var mark: UInt64 = 0
        /// To be kept from the next statement on; the bytes are the batch's.
        var next = Bytes.empty
    }

    /// Longer texts are not kept.
    private static let longest = 512
    private static let null: UInt64 = 1

    private let texts: UnsafeMutablePointer<Text>
    private var marks: UInt64 = 0

    init() {
        texts = .allocate(capacity: Column.allCases.count)
        for column in Column.allCases {
            (texts + column.rawValue).initialize(to: Text(pointer: .allocate(capacity: Self.longest)))
        }
    }

    deinit {
        for column in Column.allCases { texts[column.rawValue].pointer.deallocate() }
        texts.deallocate()
    }

    /// Forgets where the last batch's texts were.
    mutating func beginBatch() {
        for column in Column.allCases { texts[column.rawValue].next = .empty }
    }

    /// No statement waits to be run: texts may change that parameters are bound to.
    mutating func beginStatement() {
        for column in 0..<Column.allCases.count where texts[column].next.count > 0 {
            let next = texts[column].next
            memcpy(texts[column].pointer, next.pointer!, next.count)
            marks += 1
            texts[column].count = next.count
            texts[column].mark = marks << 2 | 2
            texts[column].next = .empty
        }
    }

    /// True if the parameter is bound to the text now. Empty is NULL.
    @inline(__always)
    mutating func bind(_ text: Bytes, _ column: Column, _ parameters: Parameters, _ number: Int32) -> Bool {
        let slot = parameters.bound + Int(number)
        guard text.count > 0, let pointer = text.pointer else {
            bindNull(parameters, number)
            return true
        }
        let known = texts + column.rawValue
        if known.pointee.count == text.count, memcmp(known.pointee.pointer, pointer, text.count) == 0 {
            if slot.pointee != known.pointee.mark {
                sqlite3_bind_text(
                    parameters.statement, number,
                    UnsafeRawPointer(known.pointee.pointer).assumingMemoryBound(to: CChar.self),
                    Int32(truncatingIfNeeded: text.count), nil)
                slot.pointee = known.pointee.mark
            }
            return true
        }
        slot.pointee = 0
        guard text.count <= Self.longest, ByteScan.isPlainText(pointer, text.count) else { return false }
        known.pointee.next = text
        sqlite3_bind_text(
            parameters.statement, number, UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self),
            Int32(truncatingIfNeeded: text.count), nil)
        return true
    }

    @inline(__always)
    func bindNull(_ parameters: Parameters, _ number: Int32) {
        if parameters.bound[Int(number)] == Self.null { return }
        sqlite3_bind_null(parameters.statement, number)
        parameters.bound[Int(number)] = Self.null
    }

    @inline(__always)
    func bind(_ value: Int64, _ parameters: Parameters, _ number: Int32) {
        // The largest share their marks with smaller ones.
        let mark = value >= 0 && value < 1 << 60 ? UInt64(truncatingIfNeeded: value) << 2 | 3 : 0
        if mark != 0, parameters.bound[Int(number)] == mark { return }
        sqlite3_bind_int64(parameters.statement, number, value)
        parameters.bound[Int(number)] = mark
    }
}
