import CEpoll

/// Memory for large tables that are read here and there: on pages of 2 MiB, if the kernel has some to give, so that the
/// processor knows where all of them are.
public enum LargeMemory {
    public static let pageBytes = 2 << 20

    /// `count`, or as much more as fills the last page if there is more than one.
    public static func filled(_ count: Int) -> Int {
        count <= pageBytes ? count : (count + pageBytes - 1) / pageBytes * pageBytes
    }

    /// At least `pageBytes`, not initialized; to be given back with `deallocate()`. What does not fill a page is on small
    /// ones.
    public static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: pageBytes)
        _ = fg_prefer_huge_pages(memory, count / pageBytes * pageBytes)
        return memory
    }
}
