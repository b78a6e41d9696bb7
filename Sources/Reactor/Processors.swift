import CEpoll

/// What this process may run on.
public enum Processors {
    /// How many CPUs the calling thread may use: fewer than the machine has where it is confined (`taskset`, a cpuset).
    public static var usable: Int { Int(fg_usable_processors()) }
}
