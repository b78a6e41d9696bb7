import Reactor
import Testing

@testable import Proxy

struct ProviderPathTests {
    @Test(arguments: [
        ("v1", true), ("v4", true), ("v1beta", true), ("v1alpha2", true), ("v1beta1", true), ("v", false), ("1", false),
        ("v1x", false), ("vector", false), ("v2-model", false),
    ]) func versionSegments(_ text: String, _ isOne: Bool) {
        #expect(VersionSegment.matches(kept(text)) == isOne)
    }

    @Test(arguments: [
        ("/api/chat", "/api/chat"), ("/model/m/converse", "/model/m/converse"),
        ("/models/chat/completions", "/models/chat/completions"), ("/v2/chat", "/v2/chat"),
        ("/chat/completions", "/v1/chat/completions"), ("/models/m:generateContent", "/v1/models/m:generateContent"),
    ]) func ownPathsGetNoVersion(_ path: String, _ wanted: String) {
        let join = ProviderPath(
            base: .empty, hasVersion: false, defaultVersion: Bytes("/v1"), versionPrefix: .empty,
            keepsOpenAIPaths: false)
        var written = ""
        join.write(kept(path)) { written += $0.string }
        #expect(written == wanted)
    }

    @Test(arguments: [
        ("/v1/chat", 0..<3), ("/v1", 0..<3), ("/v1beta/models", 0..<7), ("/chat/v1", 5..<8), ("/", 0..<0), ("", 0..<0),
        ("v1/chat", 0..<0), ("/a/b", 0..<0),
    ]) func theFirstVersionOfAPath(_ path: String, _ range: Range<Int>) {
        #expect(ProviderPath.version(in: kept(path)) == range)
    }
}
