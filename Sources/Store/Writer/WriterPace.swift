import Glibc
import Reactor

/// How long the writer keeps a core before it offers it to others.
///
/// A thread that never sleeps, as a worker on a saturated core, is looked at by the scheduler only with each tick of its
/// clock, so whoever gets the core from it keeps it until the next one: 4 ms where the kernel has 250 ticks a second, even
/// at idle priority. The writer gives it back by itself, between two rows or two pages. Belongs to the writer's thread.
final class WriterPace {
    /// Nil: for as long as it takes.
    private(set) var sliceNanoseconds: UInt64?
    /// How often the core was offered.
    private(set) var yields = 0
    private var since = Clock.monotonicNanoseconds()
    private let clock: () -> UInt64

    /// - Parameter clock: monotonic nanoseconds.
    init(clock: @escaping () -> UInt64 = Clock.monotonicNanoseconds) {
        self.clock = clock
        since = clock()
    }

    /// Longer slices are what a filling ring is worth: on a saturated core a worker gets about 4 ms for each. From half a
    /// ring on only emptying it counts.
    ///
    /// - Parameter fill: of the fullest ring, of 1.
    static func slice(fill: Double, isUrgent: Bool) -> UInt64? {
        isUrgent || fill >= 0.5 ? nil : 500_000 + UInt64(max(0, fill) * 3_000_000)
    }

    func set(fill: Double, isUrgent: Bool) { sliceNanoseconds = Self.slice(fill: fill, isUrgent: isUrgent) }

    /// The writer has slept: a slice begins.
    func restart() { since = clock() }

    /// Offers the core if the slice is over.
    func breathe() {
        guard let sliceNanoseconds, clock() &- since >= sliceNanoseconds else { return }
        sched_yield()
        yields += 1
        since = clock()
    }

    // MARK: Of a thread

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// What SQLite's files ask while the calling thread reads and writes pages, see `PacedFiles`.
    static func setOfThisThread(_ pace: WriterPace?) {
        pthread_setspecific(key, pace.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) })
    }

    static func breatheOfThisThread() {
        guard let pace = pthread_getspecific(key) else { return }
        Unmanaged<WriterPace>.fromOpaque(pace).takeUnretainedValue().breathe()
    }
}
