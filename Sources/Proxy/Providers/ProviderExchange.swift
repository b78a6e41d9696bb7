import HTTP
import Inflate
import LLM
import Reactor

/// What a worker keeps of an exchange with a provider beside the exchange itself: a slot of its own, so that all others
/// need no room for it.
struct ProviderExchange: BitwiseCopyable {
    var endpoint = EndpointMatch(endpoint: .other)
    /// The model as the client named it, in `name`.
    var name = Buffer.empty
    /// The one candidate of `provider/model`; its name points into `name`.
    var single = Candidate(provider: -1, group: 0, price: -1, metric: 0, model: .empty)
    /// Index of the name's entry; -1: `single` is what it stands for.
    var entry: Int32 = -1

    // The attempt under way.
    var candidate: Int32 = -1
    var key: Int32 = -1
    var isUnderWay = false
    var isProbe = false
    /// The provider's answer began as a success and counts as one.
    var isAnswered = false
    /// When the exchange was ended from outside the provider had been sent all of the request.
    var wasSentWhole = false
    /// Monotonic nanoseconds.
    var attemptStartedAt: UInt64 = 0
    var firstByteNanoseconds: UInt64 = 0
    var status: UInt16 = 0
    /// `openSlot` says that this attempt's request is out.
    var isOut = false
    /// When its record was written: monotonic milliseconds, their lower bits.
    var keptAt: UInt32 = 0

    // The request.
    /// Tokens, see `RequestReader.promptEstimate`.
    var promptEstimate: Int64 = 0
    /// Of a text to be spoken.
    var characters: Int64 = 0
    /// The body is a form, and what it says.
    var isForm = false
    var asksForStream: Bool { request.streams || endpoint.endpoint == .geminiStream }
    /// A stream whose client did not ask for usage.
    var needsUsage = false
    /// The answer is to report usage although the client did not ask for it: needed, and this provider does not refuse it.
    var asksForUsage = false
    /// The provider has refused the request with that, and was asked again without.
    var hasRefusedUsage = false
    /// Where the record is that stays if the process dies: see Worker+OpenUsage.
    var openSlot = noSlot
    static let noSlot = UInt32.max

    // What was taken from the caller's account.
    var reserved = Spending()
    var holdsReservation = false
    /// Where in the account the exchange belongs.
    var place = BudgetPlace()

    // The answer.
    /// What the stream's events look like; nil before the first attempt.
    var shape: EventShape?
    /// What the answer came to stands in `usage` and `cost`: known when its head went out already.
    var isSettled = false
    /// It came to something.
    var hasUsage = false
    /// Nil: nobody knows, or there is no usage.
    var cost: Worker.Cost?
    /// The answer's usage is read, and counts.
    var isReading = false
    /// The answer's beginning is held back until it is known to be one.
    var isHolding = false
    var framing = Framing.json
    var isChunked = false
    /// The reader is not as it was made.
    var hasRead = false
    /// Raw bytes of the body that have not gone on; `.max` if that is not known before its end.
    var bodyLeft = UInt64.max

    // A stream's beginning: see Worker+ProviderOpening.
    var opening = OpeningState.none
    /// The client has a head.
    var headIsOut = false
    var events = StreamOpening()
    /// An event is held that may go on only with what follows it.
    var holdsEvent = false
    /// What was found of the next bytes before they could be relayed.
    var run = OpeningRun()
    /// What this attempt has opened with, and what the client was told by attempts before.
    var hasStarted = false
    var roles: UInt8 = 0
    var toldStart = false
    var toldRoles: UInt8 = 0

    /// Where in the raw bytes behind the head the look-ahead stands, and with which state.
    var lookedRaw = 0
    var lookDecoder = ChunkedDecoder()
    var lookIsComplete = false
    /// Body bytes that were read while they were held, and are not to be read again when they go out.
    var readAhead = 0
    /// Monotonic milliseconds: from then on nothing is held back any more.
    var holdUntil: UInt64 = 0
    /// The upstream's deadline in place of which its timer waits for `holdUntil`; 0: it does not.
    var deadlineAfterHold: UInt64 = 0
    /// What the filter holds back.
    var hold = Buffer.empty
    /// The chunk that reports usage is taken out of the stream.
    var isFiltering = false
    /// In a coding: readable as far as it is inflated, and not to be added to.
    var isCompressed = false
    /// Of `inflater`.
    var workspace = Buffer.empty

    // All before this is copied when an exchange begins. These have parts that need not be: see `begin`.
    var request = RequestReader()
    var reader = AnswerReader(endpoint: .other, apiType: .openai, framing: .json)
    var attempts = ProviderAttempts()
    /// Filled when the answer is settled.
    var usage = TokenUsage()

    // Few exchanges need these: they are made anew by whoever does.
    var form = FormReader()
    var filter = UsageChunkFilter()
    var inflater = StreamInflater(.gzip, workspace: UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped)
}

extension UnsafeMutablePointer<ProviderExchange> {
    /// Makes the slot one of an exchange that has just come.
    ///
    /// - Parameter fresh: one as it was made, which is copied.
    @inline(__always)
    func begin(_ fresh: UnsafeMutablePointer<ProviderExchange>) {
        let first = MemoryLayout<ProviderExchange>.offset(of: \.request).unsafelyUnwrapped
        UnsafeMutableRawPointer(self).copyMemory(from: fresh, byteCount: first)
        request.renew(as: fresh.request)
        reader.renew(as: fresh.reader)
        pointee.attempts.removeAll()
    }

    // Parts that are handed on by their address.

    @inline(__always)
    var attempts: UnsafePointer<ProviderAttempts> {
        UnsafePointer(part(MemoryLayout<ProviderExchange>.offset(of: \.attempts).unsafelyUnwrapped))
    }

    @inline(__always)
    var request: UnsafeMutablePointer<RequestReader> {
        part(MemoryLayout<ProviderExchange>.offset(of: \.request).unsafelyUnwrapped)
    }

    @inline(__always)
    var reader: UnsafeMutablePointer<AnswerReader> {
        part(MemoryLayout<ProviderExchange>.offset(of: \.reader).unsafelyUnwrapped)
    }

    @inline(__always)
    var usage: UnsafeMutablePointer<TokenUsage> {
        part(MemoryLayout<ProviderExchange>.offset(of: \.usage).unsafelyUnwrapped)
    }

    @inline(__always)
    var form: UnsafeMutablePointer<FormReader> {
        part(MemoryLayout<ProviderExchange>.offset(of: \.form).unsafelyUnwrapped)
    }

    @inline(__always)
    var single: UnsafePointer<Candidate> {
        UnsafePointer(part(MemoryLayout<ProviderExchange>.offset(of: \.single).unsafelyUnwrapped))
    }

    @inline(__always)
    private func part<Part>(_ offset: Int) -> UnsafeMutablePointer<Part> {
        (UnsafeMutableRawPointer(self) + offset).assumingMemoryBound(to: Part.self)
    }
}
