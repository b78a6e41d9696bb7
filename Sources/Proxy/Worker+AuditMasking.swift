import HTTP
import Reactor

/// Field lines as the audit keeps them: credentials are not among them, only that they were there.
extension Worker {
    /// Fields whose values are credentials.
    private static var secretFields: HeaderMask {
        HeaderMask().inserting(.authorization).inserting(.xAPIKey).inserting(.apiKey).inserting(.xGoogAPIKey)
            .inserting(.cookie).inserting(.setCookie).inserting(.proxyAuthorization)
    }

    @inline(__always)
    func writeMasked(
        _ p: UnsafePointer<UInt8>, _ fields: UnsafeMutablePointer<Field>, _ count: Int, _ writer: inout HeadWriter
    ) {
        var i = 0
        while i < count {
            let field = fields[i]
            i &+= 1
            let start = Int(field.nameOffset)
            let nameLength = Int(field.nameLength)
            let isOther = field.id.rawValue == 0
            if Self.secretFields.contains(field.id) || isOther && SecretName.isSecret(p + start, nameLength) {
                writer.append(p + start, nameLength)
                writer.append(": ***\r\n")
            } else if isOther && Subprotocols.isName(p + start, nameLength) {
                writer.append(p + start, nameLength)
                writer.append(": ")
                Subprotocols.write(Bytes(p + Int(field.valueOffset), Int(field.valueLength)), &writer)
                writer.append("\r\n")
            } else {
                writer.append(p + start, Int(field.valueOffset) &+ Int(field.valueLength) &- start)
                writer.append("\r\n")
            }
        }
    }
}
