import CScan

/// What an `EventShape` learns from.
extension JSONWalk {
    /// From now on values that nobody asks about are noted as holes in what begins at `start`.
    mutating func trace(_ draft: UnsafeMutableRawPointer, from start: UnsafePointer<UInt8>) {
        state.draft = UInt(bitPattern: draft)
        state.draft_base = UInt(bitPattern: start)
    }

    mutating func endTrace() { state.draft = 0 }
}
