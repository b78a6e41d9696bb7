import Glibc
import HTTP

/// Fields that a message's Connection field names: they were meant for us alone (RFC 9110 §7.6.1).
enum ConnectionOptions {
    /// True if one of the `count` fields is a Connection field that names this one, unless it is one that goes all the way
    /// whoever names it.
    @inline(never)
    static func name(
        _ field: Field, _ base: UnsafePointer<UInt8>, _ fields: UnsafePointer<Field>, _ count: UInt16
    ) -> Bool {
        if HeaderMask.endToEnd.contains(field.id) { return false }
        for i in 0..<Int(count) where fields[i].id == .connection {
            let value = base + Int(fields[i].valueOffset)
            var tokens = FieldListTokens(value, Int(fields[i].valueLength))
            while let token = tokens.next() {
                if token.count == Int(field.nameLength)
                    && strncasecmp(
                        UnsafeRawPointer(value + token.offset).assumingMemoryBound(to: CChar.self),
                        UnsafeRawPointer(base + Int(field.nameOffset)).assumingMemoryBound(to: CChar.self),
                        token.count) == 0
                {
                    return true
                }
            }
        }
        return false
    }
}
