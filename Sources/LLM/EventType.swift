import Glibc

/// The `type` of an answer or a stream's event, as far as it matters.
@usableFromInline enum EventType: UInt8, BitwiseCopyable, Sendable {
    case other
    /// Anthropic's reports of usage, which complete one another.
    case messageStart, messageDelta
    /// Nothing but a sign of life.
    case ping
    /// Its `delta` is sound and no text.
    case sound
    /// Nothing comes after it.
    case last
    case failed
    case error

    static func named(_ p: UnsafePointer<UInt8>, _ n: Int) -> EventType {
        func isName(_ name: StaticString) -> Bool {
            n == name.utf8CodeUnitCount && memcmp(p, name.utf8Start, n) == 0
        }
        switch n {
        case 4: return isName("ping") ? .ping : .other
        case 5: return isName("error") ? .error : .other
        case 10: return isName("stream-end") ? .last : .other
        case 11: return isName("message-end") ? .last : .other
        case 12: return isName("message_stop") ? .last : .other
        case 13:
            if isName("message_start") { return .messageStart }
            return isName("message_delta") ? .messageDelta : .other
        case 17: return isName("speech.audio.done") ? .last : .other
        case 26: return isName("image_generation.completed") ? .last : .other
        case 15: return isName("response.failed") ? .failed : .other
        case 18: return isName("response.completed") ? .last : .other
        case 19: return isName("response.incomplete") ? .last : .other
        case 27: return isName("response.output_audio.delta") ? .sound : .other
        case 20:
            if isName("response.audio.delta") { return .sound }
            return isName("interaction.complete") || isName("transcript.text.done") || isName("image_edit.completed")
                ? .last : .other
        case 21: return isName("interaction.completed") ? .last : .other
        default: return .other
        }
    }
}
