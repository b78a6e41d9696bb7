import HTTP
import JSON
import Reactor

/// From a request to the route that takes it, and from a failed attempt to the next one.
extension Worker {
    /// All of the request that is needed is here: chooses a route and makes the first attempt.
    mutating func dispatch(_ index: UInt32) {
        refreshHead(index)
        let c = clients.pointer(index)
        let request = view(c)
        take(index, chooseRoute(index, request), request)
    }

    /// The route for the next attempt: its index, -1 for none, -2 if more of the body is needed.
    @inline(__always)
    mutating func chooseRoute(_ index: UInt32, _ request: RequestView) -> Int {
        let c = clients.pointer(index)
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let states = targetStates
        let time = now
        let targets = snapshot.pointee.targets
        return snapshot.pointee.table.choose(
            request, tried: c.pointee.exchange.tried, scratch: patternScratch, random: nextRandom(),
            isAvailable: { target in
                states[Int(targets[Int(target)].stableID)].health.isAvailable(nowMilliseconds: time)
            })
    }

    /// Goes on with a chosen route, or says that there is none.
    mutating func take(_ index: UInt32, _ chosen: Int, _ request: RequestView) {
        let c = clients.pointer(index)
        if let captures = request.captures,
            hasConflict(c, request, captures, upTo: chosen)
        {
            return refuse(index, .conflictingMembers)
        }
        let restrictsModels = chosen >= 0 && restrictsModels(c)
        let needsMore =
            chosen == -2 || (chosen >= 0 && routeChangesBody(c, chosen))
            || (restrictsModels && awaitsModel(c, request))
        if needsMore && !c.pointee.exchange.requestIsComplete {
            // Only after a failed attempt: this route wants more of a body of which nothing has gone past us yet.
            c.pointee.exchange.phase = .readingBody
            c.pointee.exchange.streamsRequest = false
            bodyCameIn(index)
            if c.pointee.isReadable { enqueueClient(index) }
            return
        }
        guard chosen >= 0 else {
            if chosen == -1, takeToProvider(index, request) { return }
            let earlier = c.pointee.exchange.error
            return refuse(index, earlier == .none ? .noRoute : earlier)
        }
        if c.pointee.exchange.pathIsAmbiguous && !readingsAgree(c, request) { return refuse(index, .ambiguousPath) }
        if restrictsModels {
            let refusal = judgeModel(c, request)
            if refusal != .none { return refuse(index, refusal) }
        }
        c.pointee.exchange.routeIndex = Int32(chosen)
        var request = request
        if request.isUnread { readMembers(c, &request) }
        if !c.pointee.exchange.requestIsComplete {
            let table = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.table
            c.pointee.exchange.watchedMembers = table.decidingMembers(upTo: chosen, request, scratch: patternScratch)
            if restrictsModels { c.pointee.exchange.watchedMembers |= 1 << UInt64(SnapshotView.modelMember) }
        }
        pool.give(&c.pointee.exchange.rewrittenBody)
        let route = self.route(c)
        if let fields = route.pointee.bodyFields, c.pointee.exchange.requestIsComplete, !request.bodyIsNoObject,
            request.body.count > 0
        {
            rewriteBody(c, request.body, fields)
        }
        if c.pointee.exchange.requestIsChunked && sendsTrailers(c) { frameWithTrailers(c) }
        captureRequestBody(c)
        startAttempt(index)
    }

    private func routeChangesBody(_ c: UnsafeMutablePointer<ClientConnection>, _ chosen: Int) -> Bool {
        c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.table.routes.pointer(chosen).pointee.bodyFields != nil
    }

    @inline(__always)
    func route(_ c: UnsafeMutablePointer<ClientConnection>) -> UnsafePointer<CompiledRoute> {
        c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.table.routes.pointer(Int(c.pointee.exchange.routeIndex))
    }

    @inline(__always)
    func target(_ c: UnsafeMutablePointer<ClientConnection>) -> UnsafePointer<CompiledTarget> {
        c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.targets.pointer(Int(route(c).pointee.target))
    }

    /// True if the body says two things about a member that a route in question asks for.
    private func hasConflict(
        _ c: UnsafeMutablePointer<ClientConnection>, _ request: RequestView,
        _ captures: UnsafeMutablePointer<MemberCapture>, upTo chosen: Int
    ) -> Bool {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        if snapshot.pointee.table.bodyRouteCount == 0 { return false }
        var disagreeing: UInt64 = 0
        var i = 0
        while i < snapshot.pointee.memberNameCount {
            if captures[i].disagrees { disagreeing |= 1 << UInt64(i) }
            i &+= 1
        }
        let looksWithin = !snapshot.pointee.table.inner.isEmpty
        if disagreeing == 0 && !looksWithin { return false }
        if disagreeing != 0,
            snapshot.pointee.table.asks(about: disagreeing, request, upTo: chosen, scratch: patternScratch)
        {
            return true
        }
        return looksWithin
            && snapshot.pointee.table.disagreesWithin(request, captures, upTo: chosen, scratch: patternScratch)
    }

    private mutating func rewriteBody(
        _ c: UnsafeMutablePointer<ClientConnection>, _ body: Bytes, _ fields: Unmanaged<BodyFields>
    ) {
        var rewritten: [UInt8] = []
        let isObject = fields._withUnsafeGuaranteedRef {
            JSONEdit.setTopLevelMembers(body.buffer, $0.members, into: &rewritten)
        }
        guard isObject else { return }
        rewritten.withUnsafeBufferPointer {
            pool.append(&c.pointee.exchange.rewrittenBody, $0.baseAddress!, $0.count)
        }
    }

    // MARK: Attempts

    /// Sends the request to the chosen route's target: over an idle connection if there is one.
    mutating func startAttempt(_ index: UInt32) {
        let c = clients.pointer(index)
        let target = self.target(c)
        let stableID = Int(target.pointee.stableID)
        c.pointee.exchange.bodySent = 0
        targetStates[stableID].health.chosen(nowMilliseconds: now)
        if c.pointee.exchange.failover.isFirstOnRoute {
            targetStates[stableID].retryBudget.deposit(percent: current.pointee.policy.retryBudgetPercent)
        }
        if let upstream = takeIdle(stableID) {
            let u = upstreams.pointer(upstream)
            u.pointee.client = index
            u.pointee.wasReused = true
            u.pointee.isSilent = true
            u.pointee.state = .ready
            c.pointee.exchange.upstream = upstream
            return sendRequest(index, upstream)
        }
        beginConnect(index)
    }

    /// The attempt ended without a verdict on its target: if it was the target's trial after a cool-down, another may
    /// be made. After a verdict this changes nothing.
    mutating func targetSaidNothing(_ c: UnsafeMutablePointer<ClientConnection>) {
        if c.pointee.exchange.routeIndex < 0 { return }
        targetStates[Int(target(c).pointee.stableID)].health.undecided()
    }

    /// An attempt failed before any byte of a response went to the client.
    mutating func attemptFailed(_ index: UInt32, _ failure: AttemptFailure, _ error: ExchangeError) {
        let c = clients.pointer(index)
        if c.pointee.exchange.provider >= 0 { return providerAttemptFailed(index, failure, error) }
        let route = self.route(c)
        let stableID = Int(target(c).pointee.stableID)
        c.pointee.exchange.error = error
        releaseAttempt(c)
        if failure != .closed(wasReused: true) {
            targetStates[stableID].health.failed(nowMilliseconds: now)
            if let reason = error.upstreamReason { metrics.upstreamError(route.pointee.metricID, reason) }
        } else {
            targetSaidNothing(c)
        }
        let action = c.pointee.exchange.failover.decide(
            failure, retryCount: route.pointee.retryCount, maxRetries: current.pointee.policy.maxRetries,
            canReplay: c.pointee.exchange.canReplay, hasBudget: hasRetryBudget(stableID))
        perform(index, action)
    }

    /// Whether the target may have another retry.
    func hasRetryBudget(_ stableID: Int) -> Bool {
        targetStates[stableID].retryBudget.allows(
            floor: current.pointee.policy.retryBudgetFloor, nowMilliseconds: now)
    }

    /// Carries out what `Failover` decided. `giveUp` answers with the error that the exchange holds.
    mutating func perform(_ index: UInt32, _ action: FailoverAction) {
        let c = clients.pointer(index)
        switch action {
        case .retryNow:
            metrics.resent(isIdempotent: c.pointee.exchange.method.isIdempotent)
            startAttempt(index)
        case .retryAfter(let most):
            takeFromBudget(c)
            metrics.retried(route(c).pointee.metricID)
            backOff(index, nextRandom() % (most + 1))
        case .retryAfterExactly(let milliseconds):
            takeFromBudget(c)
            metrics.retried(route(c).pointee.metricID)
            backOff(index, milliseconds)
        case .nextRoute:
            c.pointee.exchange.tried.insert(Int(c.pointee.exchange.routeIndex))
            c.pointee.exchange.failover.routeChanged()
            guard !c.pointee.exchange.tried.isFull else { return refuse(index, c.pointee.exchange.error) }
            let failed = route(c).pointee.metricID
            refreshHead(index)
            let request = view(c)
            let chosen = chooseRoute(index, request)
            // Where there is no other route, nothing is tried again.
            if chosen != -1 { metrics.retried(failed) }
            take(index, chosen, request)
        case .giveUp:
            refuse(index, c.pointee.exchange.error)
        }
    }

    private func takeFromBudget(_ c: UnsafeMutablePointer<ClientConnection>) {
        targetStates[Int(target(c).pointee.stableID)].retryBudget.take(
            floor: current.pointee.policy.retryBudgetFloor, nowMilliseconds: now)
    }

    mutating func backOff(_ index: UInt32, _ milliseconds: UInt64) {
        let c = clients.pointer(index)
        c.pointee.exchange.phase = .backingOff
        setDeadline(client: index, now + milliseconds)
    }

    /// True if another route would take this request: what a failed attempt may fall back on.
    mutating func hasAnotherRoute(_ index: UInt32) -> Bool {
        let c = clients.pointer(index)
        var tried = c.pointee.exchange.tried
        tried.insert(Int(c.pointee.exchange.routeIndex))
        if tried.isFull { return false }
        refreshHead(index)
        let request = view(c)
        return c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.table.firstMatch(
            from: 0, request, tried: tried, scratch: patternScratch) >= 0
    }
}
