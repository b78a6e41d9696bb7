import CEpoll

/// What all threads allocate from.
public enum Heap {
    /// Gives memory back to the kernel that has been freed. Allocating waits for a moment meanwhile, on every thread: not
    /// for when there is something to do, and not from a thread that may be kept from running.
    public static func giveBack() { fg_trim_heap() }
}
