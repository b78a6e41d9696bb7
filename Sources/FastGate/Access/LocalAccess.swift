import Admin
import Config
import Glibc
import Store

/// The admin API answered by this process, on a database that no gateway uses.
final class LocalAccess: AdminAccess {
    private let settings: Settings
    private let admin: LocalAdmin
    /// Held from the first change on, so that no gateway starts in between.
    private var lock: InstanceLock?

    /// Opens the database, which may be migrated by that.
    ///
    /// - Parameter createsDatabase: whether one that is missing is made; else it is a failure.
    init(settings: Settings, createsDatabase: Bool, environment: [String: String]) throws(CommandFailure) {
        self.settings = settings
        let path = settings.database.path
        guard createsDatabase || Glibc.access(path, F_OK) == 0 else {
            throw CommandFailure(
                message: "\(path) does not exist, and no gateway answers: nothing has been stored yet")
        }
        let opening = try Self.take(settings)
        do throws(StoreError) {
            let database = try Database.open(settings)
            let vault = try KeyVault.open(database, environment: environment[MasterKey.environmentName])
            admin = try LocalAdmin(
                settings: settings, database: database, vault: vault,
                gateway: IdleGateway(settings: settings, vault: vault),
                version: fastGateVersion)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
        // Reading needs no lock, and `logs tail --follow` must not keep a gateway from starting.
        withExtendedLifetime(opening) {}
    }

    func send(_ request: APIRequest, sink: ([UInt8]) -> Bool) throws(CommandFailure) -> APIResponse {
        if request.method != "GET", lock == nil { lock = try Self.take(settings) }
        let (status, body) = admin.answer(
            method: request.method, target: request.target, body: request.body?.serializedBytes(), sink: sink)
        if status == 200, !body.isEmpty {
            _ = sink(body)
            return APIResponse(status: status, body: [])
        }
        return APIResponse(status: status, body: body)
    }

    private static func take(_ settings: Settings) throws(CommandFailure) -> InstanceLock {
        do throws(InstanceLock.Failure) {
            return try InstanceLock.take(folder: settings.database.folder)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
    }
}
