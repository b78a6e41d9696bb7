// The keywords that look at one value and apply no other schema (draft 2020-12, Validation §6).
extension SchemaValidation {
    mutating func asserts(_ keyword: SchemaKeyword, _ value: JSONValue) -> Bool {
        switch value {
        case .number(let number):
            switch keyword {
            case .minimum(let bound): return number >= bound
            case .maximum(let bound): return number <= bound
            case .exclusiveMinimum(let bound): return number > bound
            case .exclusiveMaximum(let bound): return number < bound
            case .multipleOf(let divisor):
                return number.withDecimal { a in divisor.withDecimal { b in a.isMultiple(of: b) } }
            default: break
            }
        case .string(let text):
            switch keyword {
            // Lengths count code points.
            case .minLength(let bound): return text.unicodeScalars.count >= bound
            case .maxLength(let bound): return text.unicodeScalars.count <= bound
            case .pattern(let pattern): return matches(pattern, text)
            default: break
            }
        case .array(let elements):
            switch keyword {
            case .minItems(let bound): return elements.count >= bound
            case .maxItems(let bound): return elements.count <= bound
            case .uniqueItems: return Set(elements).count == elements.count
            default: break
            }
        case .object(let object):
            switch keyword {
            case .minProperties(let bound): return object.count >= bound
            case .maxProperties(let bound): return object.count <= bound
            case .required(let names): return names.allSatisfy { object.position(of: $0) != nil }
            case .dependentRequired(let pairs):
                return pairs.allSatisfy { name, needs in
                    object.position(of: name) == nil || needs.allSatisfy { object.position(of: $0) != nil }
                }
            default: break
            }
        case .null, .bool:
            break
        }
        switch keyword {
        case .type(let types): return types.accepts(value)
        case .const(let wanted): return value == wanted
        case .enumeration(let values): return values.contains(value)
        default: return true
        }
    }
}

extension SchemaTypes {
    func accepts(_ value: JSONValue) -> Bool {
        switch value {
        case .null: contains(.null)
        case .bool: contains(.boolean)
        case .object: contains(.object)
        case .array: contains(.array)
        case .string: contains(.string)
        case .number(let number): contains(.number) || contains(.integer) && number.isInteger
        }
    }
}

extension JSONDecimal {
    /// Significant digits that a divisor may have.
    static let maxDivisorDigits = 18

    /// Whether the value is a whole multiple of `divisor`, exactly. Work in proportion to the digits.
    /// - Parameter divisor: above zero, of at most `maxDivisorDigits` significant digits.
    func isMultiple(of divisor: JSONDecimal) -> Bool {
        if isZero { return true }
        // Both are digits × 10^-scale, where the digits do not end in a zero.
        let shift = divisor.scale - scale
        guard shift >= 0 else { return false }
        var modulus: UInt64 = 0
        divisor.forEachDigit { modulus = modulus * 10 + $0 }
        guard modulus > 1 else { return true }
        var remainder: UInt64 = 0
        forEachDigit { remainder = (remainder * 10 + $0) % modulus }
        func multiplied(_ a: UInt64, _ b: UInt64) -> UInt64 {
            modulus.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
        }
        var power = 10 % modulus
        var left = shift
        while left > 0 {
            if left & 1 == 1 { remainder = multiplied(remainder, power) }
            power = multiplied(power, power)
            left >>= 1
        }
        return remainder == 0
    }
}
