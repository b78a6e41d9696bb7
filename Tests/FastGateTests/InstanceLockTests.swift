import Glibc
import Testing

@testable import FastGate

@Suite struct InstanceLockTests {
    private let folder = TemporaryFolder()

    @Test func oneHolderAtATime() throws {
        let path = folder.path + "/state"
        #expect(InstanceLock.holder(folder: path) == nil)
        var lock: InstanceLock? = try InstanceLock.take(folder: path)
        #expect(InstanceLock.holder(folder: path) == .init(processID: getpid(), adminAddress: nil))
        lock?.publish(adminAddress: "127.0.0.1:8515")
        let holder = InstanceLock.Holder(processID: getpid(), adminAddress: "127.0.0.1:8515")
        #expect(InstanceLock.holder(folder: path) == holder)
        #expect(throws: InstanceLock.Failure.held(path: path + "/fastgate.lock", by: holder)) {
            try InstanceLock.take(folder: path, patienceMilliseconds: 0)
        }
        lock = nil
        #expect(InstanceLock.holder(folder: path) == nil)
        let again = try InstanceLock.take(folder: path, patienceMilliseconds: 0)
        // The old address is gone with the old holder.
        #expect(InstanceLock.holder(folder: path)?.adminAddress == nil)
        withExtendedLifetime(again) {}
    }

    @Test func theFolderIsMadeForItsOwner() throws {
        withExtendedLifetime(try InstanceLock.take(folder: folder.path + "/x")) {}
        #expect(folder.mode("x") == 0o700 && folder.mode("x/fastgate.lock") == 0o600)
    }
}
