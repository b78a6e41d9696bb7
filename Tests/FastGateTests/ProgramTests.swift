import JSON
import Testing

@testable import FastGate

@Suite struct ProgramTests {
    private let program = Program()

    @Test func versionSaysWhatItIs() throws {
        #expect(program.run("version").console.output == "fastgate \(fastGateVersion)\n")
        let report = try program.json("version", "--json")
        #expect(report["version"]?.stringValue == fastGateVersion)
    }

    @Test func wrongUsageEndsWith2AndNamesTheHelp() {
        let (code, console) = program.run("keys", "list", "--al\u{1B}l")
        #expect(code == 2 && console.output.isEmpty)
        #expect(
            console.complaints == [
                "fastgate: there is no option --al\\u{1b}l", "Try \"fastgate keys list --help\".",
            ])
    }

    @Test func helpGoesToStandardOutput() {
        let (code, console) = program.run("keys", "create", "--help")
        #expect(code == 0 && console.complaints.isEmpty)
        #expect(console.output.hasPrefix("fastgate keys create - make an API key\n"))
    }

    @Test func targetsAreEncoded() {
        let request = APIRequest("GET", "/a/\(APIRequest.encoded("b/c d%é"))", query: [QueryParameter("x y", "1&2=3+")])
        #expect(request.target == "/a/b%2Fc%20d%25%C3%A9?x%20y=1%262%3D3%2B")
    }
}
