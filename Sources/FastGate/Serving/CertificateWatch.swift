import Config
import Glibc

/// Notices that the files of certificates, keys and authorities were renewed.
struct CertificateWatch {
    /// What a file that was written or replaced cannot have kept.
    private struct Stamp: Equatable {
        var inode: UInt
        var size: Int
        var seconds: Int
        var nanoseconds: Int
    }

    private var stamps: [String: Stamp?] = [:]

    init(_ settings: Settings) {
        stamps = Self.look(settings)
    }

    /// True once after files have changed, or others are named.
    mutating func hasChanged(_ settings: Settings) -> Bool {
        let now = Self.look(settings)
        defer { stamps = now }
        return now != stamps
    }

    private static func look(_ settings: Settings) -> [String: Stamp?] {
        var stamps: [String: Stamp?] = [:]
        for path in settings.tlsFiles.map(\.path) where !path.isEmpty {
            var status = stat()
            stamps[path] =
                stat(path, &status) == 0
                ? Stamp(
                    inode: status.st_ino, size: status.st_size, seconds: status.st_mtim.tv_sec,
                    nanoseconds: status.st_mtim.tv_nsec) : .some(nil)
        }
        return stamps
    }
}

extension Settings {
    /// The files with private keys, with the key of the configuration that names each; empty where it is not set.
    var privateKeyFiles: [(key: String, path: String)] {
        [("tls.key", tls.keyFile), ("admin.tls.key", admin.keyFile)]
            + tls.certificates.map { ("tls.certificates", $0.keyFile) }
            + upstreamTLS.hosts.map { ("upstream_tls.hosts", $0.keyFile) }
    }

    /// Every file that TLS needs, with the key that names it; empty where a key is not set.
    var tlsFiles: [(key: String, path: String)] {
        var files = [
            ("tls.cert", tls.certificateFile), ("tls.key", tls.keyFile), ("tls.client_ca", tls.clientAuthorityFile),
            ("tls.ocsp_response", tls.ocspFile),
            ("admin.tls.cert", admin.certificateFile), ("admin.tls.key", admin.keyFile),
            ("upstream_tls.ca_file", upstreamTLS.caFile),
        ]
        for certificate in tls.certificates {
            files.append(("tls.certificates", certificate.certificateFile))
            files.append(("tls.certificates", certificate.keyFile))
            files.append(("tls.certificates", certificate.ocspFile))
        }
        for host in upstreamTLS.hosts {
            for file in [host.caFile, host.certificateFile, host.keyFile] { files.append(("upstream_tls.hosts", file)) }
        }
        return files
    }
}
