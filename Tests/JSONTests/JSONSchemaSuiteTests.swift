import Testing

@testable import JSON

/// The official suite for draft 2020-12: every required file, and of `optional/` what has to do with more than formats.
@Suite struct JSONSchemaSuiteTests {
    struct Count {
        var passed = 0
        var remoteGroups = 0
        var remoteTests = 0
    }

    /// Groups whose schema refers to a document that would have to be fetched: for them compiling must fail.
    private static func isRemote(_ error: JSONSchemaError) -> Bool {
        error.message.contains("never fetched") || error.pointer.hasSuffix("$schema")
    }

    private func run(_ path: String, _ count: inout Count) throws {
        let groups = try #require(try JSONValue(parsing: SharedFiles.bytes(path)).arrayValue)
        for group in groups {
            let name = "\(path.split(separator: "/").last ?? "") \(group["description"]?.stringValue ?? "")"
            let tests = try #require(group["tests"]?.arrayValue)
            let schema: JSONSchema
            do {
                schema = try JSONSchema.compile(try #require(group["schema"]))
            } catch let error as JSONSchemaError {
                if Self.isRemote(error), "\(group["schema"] ?? .null)".contains("localhost:1234") {
                    count.remoteGroups += 1
                    count.remoteTests += tests.count
                } else {
                    Issue.record("\(name): \(error)")
                }
                continue
            }
            for test in tests {
                let data = try #require(test["data"])
                let expected = test["valid"] == true
                let comment = "\(name): \(test["description"]?.stringValue ?? "")"
                #expect(schema.validate(data) == expected, "\(comment)")
                #expect((schema.firstFailure(data) == nil) == expected, "\(comment)")
                count.passed += 1
            }
        }
    }

    /// What the remote documents test of reference resolution itself, with the documents at hand. (Nothing but tests can
    /// give the compiler documents.)
    @Test func remoteGroupsWithTheirDocuments() throws {
        guard let folder = SharedFiles.folder("json-schema/tests/draft2020-12"),
            let remotes = SharedFiles.folder("json-schema/remotes/draft2020-12")
        else { return }
        var library = SchemaMetaschemas.documents
        for path in ["", "baseUriChange/", "baseUriChangeFolder/", "baseUriChangeFolderInSubschema/", "nested/"] {
            for name in SharedFiles.names(in: remotes + "/" + path) {
                let document = try JSONValue(parsing: SharedFiles.bytes(remotes + "/" + path + name))
                library["http://localhost:1234/draft2020-12/" + path + name] = document
            }
        }
        var count = 0
        for file in ["refRemote.json", "dynamicRef.json", "ref.json", "anchor.json"] {
            for group in try JSONValue(parsing: SharedFiles.bytes(folder + "/" + file)).arrayValue ?? [] {
                let schema = try JSONSchema.compile(try #require(group["schema"]), library: library)
                for test in group["tests"]?.arrayValue ?? [] {
                    let name = "\(file) \(group["description"] ?? .null) \(test["description"] ?? .null)"
                    #expect(schema.validate(try #require(test["data"])) == (test["valid"] == true), "\(name)")
                    count += 1
                }
            }
        }
        print("JSON Schema suite, with remote documents at hand: \(count) tests run")
    }

    @Test func requiredFiles() throws {
        guard let folder = SharedFiles.folder("json-schema/tests/draft2020-12") else { return }
        var count = Count()
        let files = SharedFiles.names(in: folder)
        for file in files { try run(folder + "/" + file, &count) }
        print(
            "JSON Schema suite: \(files.count) files, \(count.passed) tests run,",
            "\(count.remoteTests) in \(count.remoteGroups) groups skipped (remote references)")
        #expect(count.passed > 1200)
    }

    @Test(arguments: [
        "bignum", "dependencies-compatibility", "dynamicRef", "float-overflow", "id", "no-schema", "non-bmp-regex",
        "refOfUnknownKeyword", "unknownKeyword", "anchor",
    ])
    func optionalFiles(_ name: String) throws {
        guard let folder = SharedFiles.folder("json-schema/tests/draft2020-12/optional") else { return }
        var count = Count()
        try run(folder + "/" + name + ".json", &count)
        print("JSON Schema suite, optional \(name): \(count.passed) tests run, \(count.remoteTests) skipped")
    }
}
