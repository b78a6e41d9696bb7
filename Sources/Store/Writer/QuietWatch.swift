/// Tells when the writer may give back what a rush has made it take: once little is written again. Pure: the caller brings
/// the time and the count.
struct QuietWatch {
    static let periodMilliseconds: UInt64 = 1000
    /// Fewer events in a period than this are quiet: what is given back will hardly be missed.
    static let quietEvents = 256
    /// Fewer events since it was last done have taken up nothing worth the effort.
    static let worthwhileEvents = 2048

    private var nextLook: UInt64 = 0
    private var eventsAtLook = 0
    private var eventsGivenBack = 0

    /// True if it is time. `events` have been written so far.
    mutating func isDue(nowMilliseconds now: UInt64, events: Int) -> Bool {
        guard now >= nextLook else { return false }
        nextLook = now + Self.periodMilliseconds
        let recent = events - eventsAtLook
        eventsAtLook = events
        guard recent < Self.quietEvents, events - eventsGivenBack >= Self.worthwhileEvents else { return false }
        eventsGivenBack = events
        return true
    }
}
