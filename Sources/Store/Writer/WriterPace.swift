import Glibc
import Reactor

/// How long the writer keeps a core before it offers it to others.
///
/// A thread that never sleeps, as a worker on a saturated core, is looked at by the scheduler only with each tick of its
/// clock, so whoever gets the core from it keeps it until the next one: 4 ms where the kernel has 250 ticks a second. A
/// writer that has been raised gives it back by itself, between two rows or two pages. At idle priority it does not: it
/// gets so little there that what it gave back would be missed for a second.
///
/// Where it has no core to itself it gives it back by sleeping: what yields may be chosen again at once. Else it yields, and
/// nobody is the slower for it. Belongs to the writer's thread.
final class WriterPace {
    /// Nil: for as long as it takes.
    private(set) var sliceNanoseconds: UInt64?
    /// How long the writer sleeps between two slices; 0: it yields.
    private(set) var pauseNanoseconds: UInt64 = 0
    /// How often the core was offered.
    private(set) var yields = 0
    private var since: UInt64 = 0
    private var pages = 0
    private let clock: () -> UInt64
    private let offer: (UInt64) -> Void

    /// - Parameters:
    ///   - clock: nanoseconds that the thread has run; while others had the core, none pass.
    ///   - offer: gives the core to others, for at least so many nanoseconds.
    init(
        clock: @escaping () -> UInt64 = WriterPace.threadTime,
        offer: @escaping (UInt64) -> Void = WriterPace.offerCore
    ) {
        self.clock = clock
        self.offer = offer
    }

    private static func offerCore(_ nanoseconds: UInt64) {
        if nanoseconds == 0 {
            sched_yield()
        } else {
            var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
            nanosleep(&time, nil)
        }
    }

    static func threadTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Longer slices are what a filling ring is worth: on a saturated core a worker gets 1 to 4 ms for each. From half a
    /// ring on only emptying it counts.
    ///
    /// - Parameters:
    ///   - fill: of the fullest ring, of 1.
    ///   - isRaised: the writer runs at normal priority.
    ///   - isUrgent: somebody waits for it.
    static func slice(fill: Double, isRaised: Bool, isUrgent: Bool) -> UInt64? {
        !isRaised || isUrgent || fill >= 0.5 ? nil : 250_000 + UInt64(max(0, fill) * 3_000_000)
    }

    /// The pause after a slice, which a filling ring makes shorter.
    static func pause(fill: Double) -> UInt64 { UInt64(max(0, 1 - 2 * max(0, fill)) * 1_000_000) }

    /// - Parameter sharesCore: the writer has no core to itself; see `slice` for the others.
    func set(fill: Double, isRaised: Bool, isUrgent: Bool, sharesCore: Bool = false) {
        let begins = sliceNanoseconds == nil
        sliceNanoseconds = Self.slice(fill: fill, isRaised: isRaised, isUrgent: isUrgent)
        pauseNanoseconds = sharesCore ? Self.pause(fill: fill) : 0
        if begins { restart() }
    }

    /// The writer has slept: a slice begins.
    func restart() { if sliceNanoseconds != nil { since = clock() } }

    /// Offers the core if the slice is over.
    func breathe() {
        guard let sliceNanoseconds, clock() &- since >= sliceNanoseconds else { return }
        offer(pauseNanoseconds)
        yields += 1
        since = clock()
    }

    /// A page was read or written. Asking how long a thread has run is a system call, and takes a fifth of what moving a
    /// page does: not every page is worth it.
    private func breatheBetweenPages() {
        pages &+= 1
        if pages & 7 == 0 { breathe() }
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

    static func pageWasMoved() {
        guard let pace = pthread_getspecific(key) else { return }
        Unmanaged<WriterPace>.fromOpaque(pace).takeUnretainedValue().breatheBetweenPages()
    }
}
