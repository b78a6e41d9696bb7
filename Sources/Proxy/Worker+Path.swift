import HTTP
import Reactor

/// Paths that can be read in two ways. The one that is written is matched and forwarded; an upstream may read the other
/// one (TargetPolicy.normalForm). So both must be allowed to the key, and must lead to the same route.
extension Worker {
    /// The other reading of a path, in `out`; nil if it leads outside.
    private func otherReading(_ path: Bytes) -> Bytes? {
        guard let p = path.pointer, let count = TargetPolicy.normalForm(p, path.count, into: out) else { return nil }
        return Bytes(out, count)
    }

    /// Judges a path that is not plain, before any route is asked.
    @inline(never)
    mutating func judgeOddPath(_ c: UnsafeMutablePointer<ClientConnection>, _ path: Bytes) -> ExchangeError {
        guard TargetPolicy.check(path.pointer!, path.count) == nil, let other = otherReading(path) else {
            return .malformedRequest
        }
        let isSame = other.count == path.count && bytesEqual(other.pointer!, path.pointer!, path.count)
        c.pointee.exchange.pathIsAmbiguous = !isSame
        return .none
    }

    /// Whether a key that may use the path as written may use it as it can be read, too.
    @inline(never)
    func allowsOtherReading(_ key: UnsafePointer<CompiledKey>, _ path: Bytes) -> Bool {
        guard let other = otherReading(path) else { return false }
        return key.pointee.allows(path: other, scratch: patternScratch)
    }

    /// Whether the first route that takes the path as written is the first that takes it as it can be read.
    @inline(never)
    func readingsAgree(_ c: UnsafeMutablePointer<ClientConnection>, _ request: RequestView) -> Bool {
        guard let other = otherReading(request.path) else { return false }
        let table = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.table
        var reread = request
        reread.path = other
        let untried = TriedRoutes()
        return table.firstMatch(from: 0, request, tried: untried, scratch: patternScratch)
            == table.firstMatch(from: 0, reread, tried: untried, scratch: patternScratch)
    }
}
