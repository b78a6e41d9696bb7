import Reactor

/// Compares presented tokens with the admin token without leaking by timing how much of it was right.
struct AccessControl: Sendable {
    private let digest: [UInt8]

    /// - Parameter token: Not empty: an empty token would let everybody in.
    init(token: String) {
        precondition(!token.isEmpty, "the admin token must not be empty")
        digest = SHA256.digest(Array(token.utf8))
    }

    /// Digests have one length, so neither the token's length nor its bytes show in the time taken.
    func matches(_ presented: some Collection<UInt8>) -> Bool {
        let other = SHA256.digest(Array(presented))
        return digest.withUnsafeBufferPointer { mine in
            other.withUnsafeBufferPointer { theirs in
                guard let a = mine.baseAddress, let b = theirs.baseAddress else { return false }
                return ConstantTime.equal(a, b, mine.count)
            }
        }
    }

    /// The token of `Authorization: Bearer …` (RFC 6750 §2.1); nil for another scheme.
    static func bearerToken(_ authorization: String) -> Substring? {
        let parts = authorization.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1].drop { $0 == " " }
    }
}
