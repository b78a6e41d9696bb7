/// What an answer comes to: as it was reported, or an estimate.
extension AnswerReader {
    /// What the provider has reported so far.
    public var reported: TokenUsage? {
        var (copy, usage) = (self, TokenUsage())
        return copy.readReport(&usage) ? usage : nil
    }

    /// `reported` into `usage`, which is one as it was made; false if there is nothing. Whoever changes something is handed
    /// on by address, and large values are filled where they stand: else this would be copies for the most part.
    private mutating func readReport(_ usage: inout TokenUsage) -> Bool {
        if report.read(&usage) {
            usage.isPartial = !passes.complete(&usage, isOwn: report.isAnthropic)
        } else {
            guard let headUsage else { return false }
            (usage.prompt, usage.completion) = (Int64(headUsage.prompt), Int64(headUsage.completion))
            usage.total = usage.prompt &+ usage.completion
        }
        describe(&usage)
        return true
    }

    /// What stands beside the report, and what the endpoint makes of it.
    @inline(__always)
    private mutating func describe(_ usage: inout TokenUsage) {
        (usage.tier, usage.isFast, usage.isRegional) = (tier, isFast, isRegional)
        // With a key of the caller's own at the provider behind it, that is not all of it.
        if hasOwnKey { usage.statedMicros = -1 }
        noteSearches(&usage)
        if endpoint == .images {
            usage.images = Int64(images)
            if !report.hasOutputParts { usage.outputImage = usage.completion }
        } else if endpoint == .decisions {
            if usage.tier == .standard { usage.tier = .decisions }
        } else if endpoint == .speech, !report.hasOutputParts {
            usage.outputAudio = usage.completion
        }
    }

    /// What was searched for, if the report does not count it. A chat completion that has searched is paid for once.
    @inline(__always)
    private func noteSearches(_ usage: inout TokenUsage) {
        if usage.searches == 0 { usage.searches = Int64(toldSearches > 0 ? toldSearches : searches) }
        if hasSearched, usage.searches == 0, endpoint == .chatCompletions { usage.searches = 1 }
        (usage.searchSize, usage.fileSearches) = (searchSize, UInt32(fileSearches))
    }

    /// What the exchange is to be accounted at, now that it has ended: what was reported; if that is missing or the answer
    /// broke off before the final report, an estimate, marked so; nil for what used nothing: an error without content, no
    /// answer at all, or an endpoint that has no tokens.
    /// - Parameters:
    ///   - promptEstimate: tokens, see `RequestReader.promptEstimate`.
    ///   - isWhole: the body ended as HTTP says, not by a reset.
    ///   - wasLeft: it was the client that did not want the rest: what the provider had been sent is paid for, if it had
    ///     said nothing yet.
    public func settled(promptEstimate: Int64, isWhole: Bool = true, wasLeft: Bool = false) -> TokenUsage? {
        var (copy, usage) = (self, TokenUsage())
        let isUsed = copy.settle(promptEstimate: promptEstimate, isWhole: isWhole, wasLeft: wasLeft, into: &usage)
        return isUsed ? usage : nil
    }

    /// `settled` into `usage`, which is one as it was made; false if nothing was used.
    public mutating func settle(
        promptEstimate: Int64, isWhole: Bool = true, wasLeft: Bool = false, into usage: inout TokenUsage
    ) -> Bool {
        let written = endpoint.embeds ? 0 : completionEstimate
        if readReport(&usage) {
            if isFinished || (isWhole && fault == .none && !reportIsBeginning) { return true }
            // An error that reports that nothing was used.
            if fault != .none, !contentSeen, usage.prompt == 0, usage.completion == 0 { return false }
            let input = usage.prompt == 0 ? promptEstimate : usage.prompt
            let output = max(usage.completion, written)
            usage.total = max(usage.total, input &+ output)
            (usage.prompt, usage.completion, usage.estimated) = (input, output, true)
            // What it had cost so far: Perplexity adds its fee at the end.
            usage.statedMicros = -1
            return true
        }
        let answers = endpoint.generates || endpoint.embeds
        // Where no tokens are told they are guessed, but of what has none: its count, or its cost, is all there is.
        if fault == .none, isFinished,
            report.hasUnits || (!answers && (report.hasCost || (endpoint == .images && images > 0)))
        {
            report.setParts(&usage)
            describe(&usage)
            return true
        }
        // Events of a stream that say nothing and lead to no end are no answer; but whoever leaves pays for what was asked.
        let isAnswer = fault == .none && (wasLeft || (documents > 0 && (framing != .sse || sawEnd)))
        // Of pictures and sound by themselves, which have no tokens to guess, only what was seen of them counts.
        let wasGiven = contentSeen && (answers || framing != .unreadable)
        guard wasGiven || (answers && isAnswer) else { return false }
        (usage.prompt, usage.completion, usage.estimated) = (promptEstimate, written, true)
        if endpoint == .images { usage.outputImage = written }
        if endpoint == .speech { usage.outputAudio = written }
        noteSearches(&usage)
        usage.total = promptEstimate &+ written
        return true
    }

    /// Tokens of what was generated so far: four bytes of text each, 1,000 bytes of all else.
    private var completionEstimate: Int64 {
        let text = Int64(min(walk.countedBytes, UInt64(TokenUsage.limit)) &+ 3) / 4
        return text &+ Int64(min(walk.otherBytes, UInt64(TokenUsage.limit)) &+ 999) / 1000
    }
}
