import CEpoll
import Glibc

/// Files that are mapped shared, as `MappedRing` and `MappedSlots` have them.
enum MappedFile {
    /// Writes a fresh file beside `path` and renames it into place, so that a half-made one is never found. Readable by its
    /// owner only.
    ///
    /// - Parameter bytes: its length, which is allocated on the disk.
    /// - Returns: its descriptor.
    static func create(_ path: String, bytes: Int, header: [UInt8]) throws(RingError) -> Int32 {
        let draft = path + ".new"
        let fd = fg_create_file(draft)
        guard fd >= 0 else { throw .system(-fd) }
        var status = fg_allocate_file(fd, 0, Int64(bytes))
        if status == 0 {
            let written = header.withUnsafeBytes { pwrite(fd, $0.baseAddress, $0.count, 0) }
            if written != header.count { status = written < 0 ? -errno : -EIO }
        }
        if status == 0 && rename(draft, path) != 0 { status = -errno }
        guard status == 0 else {
            unlink(draft)
            _ = fg_close(fd)
            throw .system(-status)
        }
        return fd
    }
}
