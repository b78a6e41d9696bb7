import CSQLite
import Glibc

/// SQLite's own files, with a pause for breath (see `WriterPace`) after pages that are read or written: a commit and,
/// above all, a checkpoint are single calls that move megabytes.
///
/// A VFS that hands everything to the default one; each file of it is a header of ours and the default's file behind it.
enum PacedFiles {
    /// For `sqlite3_open_v2`; nil if it could not be registered, and then SQLite's default serves.
    static let name: String? = register() == SQLITE_OK ? vfsName : nil

    private static let vfsName = "fastgate"

    private struct Header {
        var base = sqlite3_file()
    }

    /// Of the default's file behind the header; SQLite wants it 8-byte aligned.
    private static let headerBytes = (MemoryLayout<Header>.size + 15) & ~15

    private typealias File = UnsafeMutablePointer<sqlite3_file>

    private static func real(_ file: File?) -> File {
        (UnsafeMutableRawPointer(file!) + headerBytes).assumingMemoryBound(to: sqlite3_file.self)
    }

    private static func methods(_ file: File?) -> sqlite3_io_methods { real(file).pointee.pMethods.pointee }

    private static func register() -> Int32 {
        sqlite3_initialize()
        guard let standard = sqlite3_vfs_find(nil) else { return SQLITE_ERROR }
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        vfs.initialize(to: standard.pointee)
        vfs.pointee.pNext = nil
        vfs.pointee.zName = UnsafePointer(strdup(vfsName))
        vfs.pointee.szOsFile = Int32(headerBytes) + standard.pointee.szOsFile
        vfs.pointee.xOpen = { _, name, file, flags, outFlags in
            let standard = sqlite3_vfs_find(nil)!
            let real = PacedFiles.real(file)
            let status = standard.pointee.xOpen(standard, name, real, flags, outFlags)
            file!.pointee.pMethods = real.pointee.pMethods == nil ? nil : PacedFiles.table
            return status
        }
        return sqlite3_vfs_register(vfs, 0)
    }

    /// Lives as long as the process.
    nonisolated(unsafe) private static let table: UnsafePointer<sqlite3_io_methods> = {
        let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        var methods = sqlite3_io_methods()
        methods.iVersion = 3
        methods.xClose = { PacedFiles.methods($0).xClose(PacedFiles.real($0)) }
        methods.xRead = { file, buffer, count, offset in
            let status = PacedFiles.methods(file).xRead(PacedFiles.real(file), buffer, count, offset)
            WriterPace.pageWasMoved()
            return status
        }
        methods.xWrite = { file, buffer, count, offset in
            let status = PacedFiles.methods(file).xWrite(PacedFiles.real(file), buffer, count, offset)
            WriterPace.pageWasMoved()
            return status
        }
        methods.xTruncate = { PacedFiles.methods($0).xTruncate(PacedFiles.real($0), $1) }
        methods.xSync = { PacedFiles.methods($0).xSync(PacedFiles.real($0), $1) }
        methods.xFileSize = { PacedFiles.methods($0).xFileSize(PacedFiles.real($0), $1) }
        methods.xLock = { PacedFiles.methods($0).xLock(PacedFiles.real($0), $1) }
        methods.xUnlock = { PacedFiles.methods($0).xUnlock(PacedFiles.real($0), $1) }
        methods.xCheckReservedLock = { PacedFiles.methods($0).xCheckReservedLock(PacedFiles.real($0), $1) }
        methods.xFileControl = { PacedFiles.methods($0).xFileControl(PacedFiles.real($0), $1, $2) }
        methods.xSectorSize = { PacedFiles.methods($0).xSectorSize(PacedFiles.real($0)) }
        methods.xDeviceCharacteristics = { PacedFiles.methods($0).xDeviceCharacteristics(PacedFiles.real($0)) }
        methods.xShmMap = { PacedFiles.methods($0).xShmMap(PacedFiles.real($0), $1, $2, $3, $4) }
        methods.xShmLock = { PacedFiles.methods($0).xShmLock(PacedFiles.real($0), $1, $2, $3) }
        methods.xShmBarrier = { PacedFiles.methods($0).xShmBarrier(PacedFiles.real($0)) }
        methods.xShmUnmap = { PacedFiles.methods($0).xShmUnmap(PacedFiles.real($0), $1) }
        methods.xFetch = { PacedFiles.methods($0).xFetch(PacedFiles.real($0), $1, $2, $3) }
        methods.xUnfetch = { PacedFiles.methods($0).xUnfetch(PacedFiles.real($0), $1, $2) }
        table.initialize(to: methods)
        return UnsafePointer(table)
    }()
}
