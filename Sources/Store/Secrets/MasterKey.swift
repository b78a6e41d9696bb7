import Glibc
import Reactor

/// The key that provider keys are sealed with: 32 bytes, from the environment or from a file beside the database.
public struct MasterKey: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    public static let environmentName = "FASTGATE_MASTER_KEY"
    static let count = 32
    /// What is wrong with a text that is no key.
    public static let rule = "must be 32 bytes in hex or base64"

    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        precondition(bytes.count == Self.count)
        self.bytes = bytes
    }

    /// A new random one.
    public static func random() -> MasterKey { MasterKey(bytes: SecureRandom.bytes(count)) }

    /// Reads 64 hex digits or the base64 of 32 bytes (RFC 4648, either alphabet, padding optional); nil for anything
    /// else. Blanks and line ends around it are taken off.
    public init?(_ text: String) {
        let blank: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
        var characters = Array(text.utf8)
        while let last = characters.last, blank.contains(last) { characters.removeLast() }
        characters = Array(characters.drop { blank.contains($0) })
        guard let bytes = Self.hexadecimal(characters) ?? Self.base64(characters) else { return nil }
        self.bytes = bytes
    }

    /// What a file holds: 64 hex digits.
    var text: String { Hex.text(bytes) }

    public var description: String { "****" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    private static func hexadecimal(_ characters: [UInt8]) -> [UInt8]? {
        characters.count == 2 * count ? KeySecret.hash(hex: String(decoding: characters, as: UTF8.self)) : nil
    }

    private static func base64(_ characters: [UInt8]) -> [UInt8]? {
        var characters = characters
        if characters.count == 44, characters.last == UInt8(ascii: "=") { characters.removeLast() }
        guard characters.count == 43 else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var held = 0
        for character in characters {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character + 4
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        // 43 characters are 258 bits: the last two must be nothing.
        return bits & 3 == 0 ? bytes : nil
    }
}
