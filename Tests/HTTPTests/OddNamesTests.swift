import Testing

@testable import HTTP

/// Field names that another reader may take for others, or that Connection may not name.
@Suite struct OddNamesTests {
    let harness = Harness()

    @Test func namesThatAreNotLettersDigitsAndDashesAreToldOf() {
        for name in ["X_A", "X.A", "Content_Length", "x_forwarded_for_that_is_long", "a~"] {
            for rest in ["", "X-Filler: so that whole vectors are there\r\n"] {
                let bytes = latin1("GET / HTTP/1.1\r\nHost: a\r\n\(name): 1\r\n\(rest)\r\n")
                #expect(harness.request(bytes).head?.hasOddNames == true, "\(name)")
                #expect(harness.request(bytes, cuts: Array(1..<bytes.count)).head?.hasOddNames == true, "\(name)")
            }
        }
        let plain = latin1("GET / HTTP/1.1\r\nHost: a\r\nX-A-1: 1_2\r\nContent-Type: a/b\r\nX-B-2: 1\r\n\r\n")
        #expect(harness.request(plain).head?.hasOddNames == false)
    }

    @Test func connectionCannotNameWhatIsMeantForAll() {
        for names in ["Host", "close, Content-Length", "cookie,authorization", "X-Forwarded-For, TE"] {
            let bytes = latin1("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(names)\r\n\r\n")
            #expect(harness.request(bytes).head?.connectionNamesOther == false, "\(names)")
        }
        let other = latin1("GET / HTTP/1.1\r\nHost: a\r\nConnection: Host, X-A\r\n\r\n")
        #expect(harness.request(other).head?.connectionNamesOther == true)
    }
}
