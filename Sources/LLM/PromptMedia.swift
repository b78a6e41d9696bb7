import CScan
import Glibc
import Reactor

/// What a request gives a model to read beside text, and how many tokens that can be at most.
///
/// A picture is a fixed number at every provider, whatever its size in bytes. Sound is taken to be coded at 6 kbit/s at
/// least and read at 32 tokens a second at most: a token for 16 bytes of Base64. A file (a document, a film) can be
/// dense: a token a byte. What is only named, by an address or an id, can be anything.
struct PromptMedia: BitwiseCopyable, Sendable {
    enum Kind: UInt8, BitwiseCopyable, Sendable { case none, picture, sound, file }

    /// What is named only, where the model's context is not known.
    static let unknownTokens: Int64 = 100_000
    /// Below this many bytes a file is a name only.
    private static let nameBytes: UInt64 = 1024

    private var kind = Kind.none
    /// Of all that is counted, where the one that is being read began.
    private var start: UInt64 = 0
    private var pictures: Int64 = 0
    private var sounds: Int64 = 0
    private var soundBytes: UInt64 = 0
    private var fileBytes: UInt64 = 0
    /// The model reads something that the request only names.
    var isElsewhere = false
    /// The part that comes is said to be a picture.
    var nextIsPicture = false

    /// - Parameter counted: bytes of media so far.
    mutating func begin(_ kind: Kind, _ counted: UInt64) {
        close(counted)
        (self.kind, start) = (kind, counted)
    }

    /// The media type of the one that is being read.
    mutating func setType(_ p: UnsafePointer<UInt8>, _ n: Int) {
        if n > 6, memcmp(p, "image/", 6) == 0 {
            kind = .picture
        } else if n > 6, memcmp(p, "audio/", 6) == 0 {
            kind = .sound
        }
    }

    mutating func close(_ counted: UInt64) {
        let bytes = counted &- start
        switch kind {
        case .none: break
        case .picture: pictures = min(pictures &+ 1, 1_000_000)
        case .sound:
            sounds = min(sounds &+ 1, 1_000_000)
            soundBytes &+= bytes
        case .file:
            fileBytes &+= bytes
            if bytes < Self.nameBytes { isElsewhere = true }
        }
        kind = .none
    }

    func tokens(pictureTokens: Int64) -> Int64 {
        pictures &* pictureTokens &+ sounds &* 100 &+ Int64(soundBytes / 16) &+ Int64(fileBytes)
    }
}

/// How many tokens one picture is at most.
public enum PictureTokens {
    /// Of all models but those below: Claude's, Gemini's and GPT's stay below it.
    public static let most: Int64 = 6000

    /// gpt-4o-mini counts pictures 33 times: 2,833 and 5,667 for each of up to 8 tiles.
    public static func most(model: Bytes) -> Int64 {
        let name: StaticString = "gpt-4o-mini"
        let n = name.utf8CodeUnitCount
        guard let p = model.pointer, model.count >= n, fg_find_bytes(p, model.count, name.utf8Start, n) != nil else {
            return most
        }
        return 50_000
    }
}
