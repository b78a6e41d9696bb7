import HTTP
import Reactor
import Testing

@testable import Proxy

@Suite struct ModelPageTests {
    private func page(_ query: String, _ shape: Worker.ModelListShape) -> (names: [String], hasMore: Bool) {
        let names = ["a", "b", "p/a", "p/b", "q/b"]
        let room = UnsafeMutablePointer<UInt8>.allocate(capacity: 2048)
        defer { room.deallocate() }
        var page = ModelPage(kept(query), shape, decoded: room)
        for name in names {
            let parts = name.split(separator: "/").map(String.init)
            page.look(
                at: .init(
                    provider: parts.count == 2 ? kept(parts[0]) : .empty, model: kept(parts.last ?? ""), owner: .empty))
        }
        page.close()
        return (Array(names[page.range]), page.hasMore)
    }

    @Test(arguments: [
        ("", ["a", "b", "p/a", "p/b", "q/b"], false), ("limit=2", ["a", "b"], true),
        ("limit=2&after_id=b", ["p/a", "p/b"], true), ("limit=2&after_id=p%2Fb", ["q/b"], false),
        ("after_id=q/b", [], false), ("limit=2&before_id=p%2fb", ["b", "p/a"], true), ("before_id=b", ["a"], false),
        ("before_id=a", [], false), ("after_id=p/a&before_id=q/b", ["p/b"], false),
        ("after_id=q/b&before_id=a", [], false), ("after_id=nobody", ["a", "b", "p/a", "p/b", "q/b"], false),
        ("limit=-1", ["a", "b", "p/a", "p/b", "q/b"], false),
    ])
    func anthropicsPages(_ query: String, _ names: [String], _ hasMore: Bool) {
        let found = page(query, .anthropic)
        #expect(found.names == names && found.hasMore == hasMore)
    }

    @Test func othersHaveTheirOwnParameters() {
        #expect(page("pageSize=3&pageToken=b", .gemini).names == ["p/a", "p/b", "q/b"])
        #expect(page("pageSize=2&pageToken=a", .gemini).hasMore)
        #expect(page("limit=2&after_id=a&pageSize=1", .openAI).names.count == 5)
    }

    @Test(arguments: [
        ("model=m", "m", false), ("a=b&model=m&c", "m", false), ("model=", "", false), ("models=m", nil, false),
        ("model=m&model=n", "n", true), ("m%6fdel=n", nil, true), ("model=%6D", "%6D", false), ("", nil, false),
    ])
    func parametersOfAQuery(_ query: String, _ value: String?, _ isDoubtful: Bool) {
        let found = QueryParameter.find("model", in: kept(query))
        #expect(found.value?.string == value && found.isDoubtful == isDoubtful)
    }
}
