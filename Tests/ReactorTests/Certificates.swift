import Glibc
import Testing

@testable import Reactor

/// Certificates made by the openssl command, once for all tests of this run.
final class Certificates: Sendable {
    /// nil where there is no openssl command.
    static let shared: Certificates? = try? Certificates()

    private let folder: TemporaryFolder

    private init() throws {
        folder = try TemporaryFolder()
        let script = """
            set -e
            cd '\(folder.path)'
            for ca in ca otherca; do
              openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $ca.key -out $ca.pem \
                -days 30 -subj "/CN=Test $ca" -addext 'basicConstraints=critical,CA:TRUE'
            done
            : > index.txt
            echo 01 > serial
            printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\n' > c
            printf 'policy=p\\nunique_subject=no\\nx509_extensions=e\\ncopy_extensions=copy\\n[p]\\ncommonName=supplied\\n' >> c
            printf '[e]\\nbasicConstraints=CA:FALSE\\n' >> c
            issue() { # name, subjectAltName, signing CA, start, end
              openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr \
                -subj "/CN=$1" -addext "subjectAltName=$2"
              openssl ca -batch -notext -config c -cert $3.pem -keyfile $3.key -in $1.csr -out $1.pem \
                -startdate $4 -enddate $5
            }
            issue good DNS:good.test,DNS:*.wild.test,IP:127.0.0.1 ca 20200101000000Z 20491231000000Z
            issue expired DNS:good.test ca 20200101000000Z 20210101000000Z
            issue future DNS:good.test ca 20480101000000Z 20491231000000Z
            issue stranger DNS:good.test otherca 20200101000000Z 20491231000000Z
            openssl ec -aes128 -passout pass:secret -in good.key -out locked.key
            """
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(script), nil]
        defer { for argument in arguments { free(argument) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, folder.file("log"), O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        guard posix_spawnp(&pid, "sh", &actions, nil, &arguments, environ) == 0 else {
            throw SystemError(errno: errno, operation: "spawn sh")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else {
            print("openssl failed: \((try? firstLines(folder.file("log"))) ?? "")")
            throw SystemError(errno: EIO, operation: "openssl")
        }
    }

    func file(_ name: String) -> String { folder.file(name) }

    func server(
        _ name: String, minimumVersion: String = "1.2", further: [String] = [], tickets: TLSTickets = TLSTickets()
    ) throws -> TLSContext {
        let all = ([name] + further).map {
            TLSCertificate(certificateFile: file($0 + ".pem"), keyFile: file($0 + ".key"))
        }
        return try TLSContext.server(
            TLSServerOptions(certificates: all, minimumVersion: minimumVersion), tickets: tickets)
    }

    func client(verify: Bool = true, ca: String = "ca") throws -> TLSContext {
        try TLSContext.client(verify: verify, caFile: file(ca + ".pem"))
    }
}
