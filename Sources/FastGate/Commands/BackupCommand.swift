import Config
import JSON
import Store

/// `fastgate backup`: a copy of the database, taken from its file whether a gateway runs or not.
enum BackupCommand {
    static let command = Command(
        "backup", "copy the database, also while the gateway runs",
        details: [
            """
            Copies keys, routes, providers, prices, budgets and the audit as they stand in this moment to FILE, which must \
            not be there. It has that name only once it is whole and on the disk. The database is read where it lies, so \
            run this on the gateway's machine, as a user who may.
            """,
            """
            The master key is not in the copy, and without it the keys of providers in it are of no use: keep one elsewhere, \
            once and after a rotation (the file master_key beside the database, or FASTGATE_MASTER_KEY).
            """,
        ],
        operands: [Operand("FILE", .file)], options: [CommonOptions.json, CommonOptions.config],
        examples: ["fastgate backup /backup/fastgate-$(date +%F).db"],
        action: { (call) throws(CommandFailure) in
            let path = try call.load().settings.database.path
            let target = call.options.operands[0]
            let size: Int
            do throws(StoreError) { size = try Backup.copy(path, to: target) } catch {
                throw CommandFailure(message: "\(error)")
            }
            if call.asJSON {
                call.print(.object(["file": .string(target), "bytes": .integer(size)]))
            } else {
                call.console.print("\(printable(target)): \(size) bytes")
            }
        })
}
