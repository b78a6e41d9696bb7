import Glibc
import Testing

@testable import Config

/// The package's root folder.
let packageRoot = String(#filePath.dropLast("/Tests/ConfigTests/ConfigTestSupport.swift".count))

func readText(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var byte = getc(file)
    while byte != EOF {
        bytes.append(UInt8(byte))
        byte = getc(file)
    }
    return String(decoding: bytes, as: UTF8.self)
}

func load(_ text: String, _ environment: [String: String] = [:]) throws -> LoadedConfig {
    try Settings.load(text: text, environment: environment)
}

/// The message with which `text` is refused.
func refusal(_ text: String, _ environment: [String: String] = [:]) -> String {
    do throws(ConfigError) {
        _ = try Settings.load(text: text, environment: environment)
        return "accepted"
    } catch {
        return error.description
    }
}
