import Reactor
import Store

/// Turns key records into what workers see.
struct KeyCompiler {
    let defaultRequestsPerMinute: Int
    let limiter: RateLimiter
    let arena: Arena
    /// Of all keys that have nothing there.
    private let noRest: UnsafePointer<CompiledKey.Rest>

    init(defaultRequestsPerMinute: Int, limiter: RateLimiter, arena: Arena) {
        self.defaultRequestsPerMinute = defaultRequestsPerMinute
        self.limiter = limiter
        self.arena = arena
        noRest = arena.store([CompiledKey.Rest(pathPatterns: arena.store([]), maxConcurrent: 0)]).pointer(0)
    }

    func compile(_ record: KeyRecord, ordinal: Int, at place: UnsafeMutablePointer<CompiledKey>) {
        var families: EndpointFamilies = []
        var patterns: [PathPattern] = []
        for permission in record.permissions {
            if let family = EndpointFamilies.named(permission) {
                families.insert(family)
            } else if permission.hasPrefix("/"), let source = try? PathPatternSource(permission) {
                patterns.append(source.compile(in: arena))
            }
        }
        let limit = record.rateLimitPerMinute ?? defaultRequestsPerMinute
        let maxConcurrent = record.maxConcurrent ?? 0
        let restrictsModels = !record.allowedModels.isEmpty
        let text = Array((record.keyID + record.sourcePath).utf8)
        let isShort = text.count <= MemoryLayout<CompiledKey.ShortText>.size
        let own = UnsafeMutableRawPointer(place) + MemoryLayout<CompiledKey>.offset(of: \.shortText)!
        place.initialize(
            to: CompiledKey(
                hash: KeyHash(record.keyHash), rateCell: limiter.cell(for: record.keyID, limit: limit),
                expiresAtMilliseconds: record.expiresAtMilliseconds ?? .max, requestsPerMinute: limit,
                families: families, isActive: record.isActive,
                allowsAll: record.permissions.isEmpty || record.permissions.contains("*"),
                hasLimits: maxConcurrent > 0 || restrictsModels, restrictsModels: restrictsModels,
                text: isShort
                    ? UnsafePointer(own.assumingMemoryBound(to: UInt8.self))
                    : arena.store(text, ownLines: true).pointer!,
                rest: rest(patterns, maxConcurrent), ordinal: Int32(ordinal),
                keyIDCount: UInt32(record.keyID.utf8.count), sourcePathCount: UInt32(record.sourcePath.utf8.count)))
        if isShort { UnsafeMutableRawBufferPointer(start: own, count: text.count).copyBytes(from: text) }
    }

    private func rest(_ patterns: [PathPattern], _ maxConcurrent: Int) -> UnsafePointer<CompiledKey.Rest> {
        if patterns.isEmpty && maxConcurrent == 0 { return noRest }
        return arena.store(
            [CompiledKey.Rest(pathPatterns: arena.store(patterns), maxConcurrent: Int64(maxConcurrent))]
        ).pointer(0)
    }
}
