import Glibc

/// When the writer gives way. At normal priority beside a busy worker it costs the worker's slowest requests several
/// times their latency; at the lowest it costs nothing, but starves on a saturated core. So it runs low while the
/// rings are quiet and is raised as one fills; for how long at a time, `WriterPace` says.
struct WriterPriorityPolicy {
    /// Of 1: fuller than this raises.
    static let raiseAbove = 0.05
    /// Emptier than this lowers again; the gap keeps it from flapping.
    static let lowerBelow = 0.01

    private(set) var isRaised = true

    /// - Parameters:
    ///   - fill: of the fullest ring, of 1.
    ///   - isUrgent: somebody waits for the writer.
    /// - Returns: the new state if it changed.
    mutating func update(fill: Double, isUrgent: Bool) -> Bool? {
        let wanted: Bool
        if isUrgent || fill > Self.raiseAbove {
            wanted = true
        } else if fill < Self.lowerBelow {
            wanted = false
        } else {
            return nil
        }
        guard wanted != isRaised else { return nil }
        isRaised = wanted
        return wanted
    }
}

/// The scheduling class of threads.
enum ThreadPriority {
    private static let normalPolicy: Int32 = 0
    private static let batchPolicy: Int32 = 3
    private static let idlePolicy: Int32 = 5

    /// Leaving SCHED_IDLE needs RLIMIT_NICE or a capability; a thread that went there without would be stuck. Then
    /// SCHED_BATCH serves, which never preempts another thread by waking up.
    static let lowPolicy: Int32 = {
        var limit = rlimit()
        let mayRaise = getrlimit(__rlimit_resource_t(13), &limit) == 0 && limit.rlim_cur >= 20  // RLIMIT_NICE
        return mayRaise || geteuid() == 0 ? idlePolicy : batchPolicy
    }()

    /// The calling thread, for `raise`.
    static var current: pthread_t { pthread_self() }

    /// Raises another thread of this process: one that starves cannot do it itself.
    ///
    /// - Parameter thread: must not have been joined.
    static func raise(_ thread: pthread_t) {
        var parameters = sched_param()
        _ = pthread_setschedparam(thread, normalPolicy, &parameters)
    }

    static func setRaised(_ raised: Bool) {
        var parameters = sched_param()
        // Linux means the calling thread by 0. A refusal changes nothing but latencies.
        if sched_setscheduler(0, raised ? normalPolicy : lowPolicy, &parameters) != 0 && !raised {
            _ = sched_setscheduler(0, batchPolicy, &parameters)
        }
    }
}
