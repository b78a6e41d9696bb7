/// Replaces `${NAME}` and `${NAME:-default}` by what the environment says.
///
/// The default is taken when the variable is unset or empty, as in a shell; it runs to the next `}` and is not itself
/// expanded. `$${` stands for a literal `${`. Any other `$` is itself, so that passwords need no care.
enum Expansion {
    struct Result: Equatable {
        var text: String
        /// Variables that were asked for without a default and are not set; they became empty.
        var unset: [String]
    }

    struct Problem: Error, Equatable {
        let message: String
    }

    static func expand(_ text: String, _ environment: [String: String]) throws(Problem) -> Result {
        var result = Result(text: "", unset: [])
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result.text += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result.text += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw Problem(message: "\"${\" without a \"}\" (write \"$${\" for a literal \"${\")")
                }
                try substitute(rest[rest.index(rest.startIndex, offsetBy: 2)..<end], environment, &result)
                rest = rest[rest.index(after: end)...]
            } else {
                result.text += "$"
                rest = rest.dropFirst()
            }
        }
        result.text += rest
        return result
    }

    private static func substitute(
        _ reference: Substring, _ environment: [String: String], _ result: inout Result
    ) throws(Problem) {
        var name = reference
        var fallback: Substring?
        if let colon = reference.firstIndex(of: ":") {
            name = reference[..<colon]
            let tail = reference[colon...]
            guard tail.hasPrefix(":-") else {
                throw Problem(message: "\"${\(reference)}\" must be ${NAME} or ${NAME:-default}")
            }
            fallback = tail.dropFirst(2)
        }
        guard isName(name) else {
            throw Problem(message: "\"\(name)\" in \"${\(reference)}\" is not a variable's name")
        }
        if let value = environment[String(name)], !value.isEmpty || fallback == nil {
            result.text += value
        } else if let fallback {
            result.text += fallback
        } else {
            result.unset.append(String(name))
        }
    }

    private static func isName(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
