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
        ("/v1/chat", 0..<3), ("/v1", 0..<3), ("/v1beta/models", 0..<7), ("/chat/v1", 5..<8), ("/", 0..<0), ("", 0..<0),
        ("v1/chat", 0..<0), ("/a/b", 0..<0),
    ]) func theFirstVersionOfAPath(_ path: String, _ range: Range<Int>) {
        #expect(ProviderPath.version(in: kept(path)) == range)
    }
}
