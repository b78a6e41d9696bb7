import CPCRE2

/// A compiled `pattern`: ECMA-262 syntax (as far as `ECMARegex` says), run by PCRE2. Immutable; shared between threads.
final class SchemaPattern: @unchecked Sendable {  // pcre2_code is read-only after compilation
    let source: String
    fileprivate let code: OpaquePointer

    enum Failure: Error {
        case syntax(String)
    }

    /// How long a pattern may be, in bytes.
    static let maxSourceBytes = 4096

    init(_ source: String) throws(Failure) {
        guard source.utf8.count <= Self.maxSourceBytes else {
            throw .syntax("the pattern is longer than \(Self.maxSourceBytes) bytes")
        }
        self.source = source
        let translated = try ECMARegex.translated(source)
        let options =
            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK
        var error: Int32 = 0
        var offset = 0
        guard let code = pcre2_compile_8(translated, translated.count, options, &error, &offset, nil) else {
            var message = [UInt8](repeating: 0, count: 256)
            _ = pcre2_get_error_message_8(error, &message, message.count)
            throw .syntax(String(decoding: message.prefix { $0 != 0 }, as: UTF8.self))
        }
        self.code = code
    }

    deinit { pcre2_code_free_8(code) }
}

/// What running patterns needs and one thread at a time may use, with the bound on its work.
final class PatternRunner {
    enum Outcome { case match, noMatch, limit }

    private let context: OpaquePointer
    private let data: OpaquePointer
    /// Matches that needed more than the small limit, so far.
    private var expensiveMatches = 0

    // PCRE2 counts backtracking points. Nearly every match needs few of them: those get a small limit in proportion to
    // the text. One that needs more is tried again with a large limit, but only so many times in one validation.
    private static let smallLimit = 2_000
    private static let smallLimitPerByte = 4
    private static let extraLimit = 250_000
    private static let maxExpensiveMatches = 4
    private static let heapLimitKiB: UInt32 = 32 * 1024

    /// Nil if there is no memory.
    init?() {
        guard let context = pcre2_match_context_create_8(nil) else { return nil }
        guard let data = pcre2_match_data_create_8(1, nil) else {
            pcre2_match_context_free_8(context)
            return nil
        }
        pcre2_set_heap_limit_8(context, Self.heapLimitKiB)
        self.context = context
        self.data = data
    }

    deinit {
        pcre2_match_data_free_8(data)
        pcre2_match_context_free_8(context)
    }

    /// Whether `pattern` matches anywhere in `text`.
    func run(_ pattern: SchemaPattern, _ text: String) -> Outcome {
        var copy = text
        return copy.withUTF8 { utf8 in
            let small = Self.smallLimit + Self.smallLimitPerByte * utf8.count
            let outcome = run(pattern, utf8, limit: UInt32(clamping: small))
            guard outcome == .limit else { return outcome }
            expensiveMatches += 1
            guard expensiveMatches <= Self.maxExpensiveMatches else { return .limit }
            return run(pattern, utf8, limit: UInt32(clamping: small + Self.extraLimit))
        }
    }

    private func run(_ pattern: SchemaPattern, _ utf8: UnsafeBufferPointer<UInt8>, limit: UInt32) -> Outcome {
        pcre2_set_match_limit_8(context, limit)
        // A Swift string is valid UTF-8.
        let result = pcre2_match_8(pattern.code, utf8.baseAddress, utf8.count, 0, PCRE2_NO_UTF_CHECK, data, context)
        if result >= 0 { return .match }
        return result == PCRE2_ERROR_NOMATCH ? .noMatch : .limit
    }
}
