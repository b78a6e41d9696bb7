import Glibc

/// The members of a JSON object in the order they were written. Names are unique: of duplicates the last value counts,
/// at the place of the first. Names compare by code points, not by Unicode equivalence as Swift strings do.
public struct JSONObject: Sendable {
    public private(set) var members: [Member] = []
    /// Where each name is, once there are too many to look through.
    private var index: [JSONName: Int] = [:]
    private static let indexThreshold = 12

    public struct Member: Sendable, Hashable {
        public let name: String
        public var value: JSONValue

        public static func == (a: Member, b: Member) -> Bool {
            JSONName(text: a.name) == JSONName(text: b.name) && a.value == b.value
        }

        public func hash(into hasher: inout Hasher) {
            hasher.combine(JSONName(text: name))
            hasher.combine(value)
        }
    }

    public init() {}

    public init(_ pairs: some Sequence<(String, JSONValue)>) {
        for (name, value) in pairs { self[name] = value }
    }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var names: [String] { members.map(\.name) }

    /// The position of a member in `members`.
    public func position(of name: String) -> Int? {
        if !index.isEmpty { return index[JSONName(text: name)] }
        let wanted = JSONName(text: name)
        return members.firstIndex { JSONName(text: $0.name) == wanted }
    }

    /// The value of a member. Setting replaces in place or appends; setting nil removes.
    public subscript(name: String) -> JSONValue? {
        get { position(of: name).map { members[$0].value } }
        set {
            if let at = position(of: name) {
                if let newValue {
                    members[at].value = newValue
                } else {
                    members.remove(at: at)
                    rebuildIndex()
                }
            } else if let newValue {
                append(name, newValue)
            }
        }
    }

    private mutating func append(_ name: String, _ value: JSONValue) {
        members.append(Member(name: name, value: value))
        if !index.isEmpty {
            index[JSONName(text: name)] = members.count - 1
        } else if members.count > Self.indexThreshold {
            rebuildIndex()
        }
    }

    private mutating func rebuildIndex() {
        index.removeAll(keepingCapacity: true)
        guard members.count > Self.indexThreshold else { return }
        for (at, member) in members.enumerated() { index[JSONName(text: member.name)] = at }
    }
}

extension JSONObject: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    public subscript(position: Int) -> Member { members[position] }
}

extension JSONObject: Hashable {
    /// Two objects are equal if they have the same members, in whatever order.
    public static func == (a: JSONObject, b: JSONObject) -> Bool {
        guard a.count == b.count else { return false }
        return a.members.allSatisfy { member in b[member.name] == member.value }
    }

    public func hash(into hasher: inout Hasher) {
        // Order does not count, so members are hashed one by one and the results added up. Hashing with (not from) the
        // process's random seed keeps collisions out of a sender's reach.
        var sum = 0
        for member in members {
            var one = Hasher()
            member.hash(into: &one)
            sum &+= one.finalize()
        }
        hasher.combine(members.count)
        hasher.combine(sum)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init(elements)
    }
}

/// A string as JSON compares it: by its code points.
struct JSONName: Hashable, Sendable {
    let text: String

    static func == (a: JSONName, b: JSONName) -> Bool { equalCodePoints(a.text, b.text) }

    func hash(into hasher: inout Hasher) {
        var copy = text
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// Swift's `==` on strings calls "é" in one and in two code points equal; JSON does not.
func equalCodePoints(_ a: String, _ b: String) -> Bool {
    guard a.utf8.count == b.utf8.count else { return false }
    let fast = a.utf8.withContiguousStorageIfAvailable { x in
        b.utf8.withContiguousStorageIfAvailable { y in
            guard let p = x.baseAddress, let q = y.baseAddress else { return true }
            return memcmp(p, q, x.count) == 0
        }
    }
    return (fast ?? nil) ?? a.utf8.elementsEqual(b.utf8)
}
