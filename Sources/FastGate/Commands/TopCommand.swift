import Glibc
import JSON
import Reactor

/// `fastgate top`
struct TopCommand {
    static let command = Command(
        "top", "watch a running gateway",
        details: [
            """
            Requests a second, latency, streams, routes with their upstreams, and the busiest keys, drawn anew every \
            few seconds on a terminal. q ends it, the space bar looks at once. Where standard output is no terminal one \
            snapshot is printed, over one interval.
            """,
            "Of more than 1000 keys only the newest 1000 are looked at.",
        ],
        options: [
            OptionSpec("interval", "i", "SECONDS", .number, help: "time between two looks, from 0.1; 2 unless given"),
            OptionSpec("count", "n", "N", .integer(1...1_000_000), help: "end after N looks"),
        ] + CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in try TopCommand(call).run() })

    /// A gateway that is silent for longer is said to be so.
    private static let silenceMilliseconds: Int32 = 3000

    private let call: Call
    private let client: any AdminAccess
    private let name: String
    private let intervalMilliseconds: Int

    private init(_ call: Call) throws(CommandFailure) {
        let seconds = call.options.value("interval").flatMap { Double($0) } ?? 2
        guard (0.1...3600).contains(seconds) else {
            throw call.options.problem("--interval must be from 0.1 to 3600 seconds, not \"\(seconds)\"")
        }
        self.call = call
        intervalMilliseconds = Int(seconds * 1000)
        let choice = try call.choice()
        guard let client = try choice.running(silenceMilliseconds: Self.silenceMilliseconds) else {
            throw CommandFailure(
                message: "no gateway runs on \(choice.settings.database.path)",
                hint: "\"fastgate serve\" starts one; --url asks one that runs elsewhere.")
        }
        self.client = client
        name = "\(client.address)"
    }

    private func run() throws(CommandFailure) {
        // The first look tells a wrong token or address before the screen is taken.
        let first = try sample()
        if call.console.columns != nil, !call.asJSON, let screen = RawTerminal() {
            try watch(screen, first)
        } else {
            try snapshots(first)
        }
    }

    // MARK: - Looking

    private func sample() throws(CommandFailure) -> TopSample {
        var sample = TopSample()
        let text = try client.send(APIRequest("GET", "/metrics"))
        guard text.status == 200 else { throw text.refusal }
        sample.read(prometheus: String(decoding: text.body, as: UTF8.self))
        let limit = [QueryParameter("limit", "1000")]
        sample.keys = try client.json(APIRequest("GET", "/admin/keys", query: limit))["items"]?.arrayValue ?? []
        for route in try client.json(APIRequest("GET", "/admin/routes", query: limit))["items"]?.arrayValue ?? [] {
            let upstream = "\(route.cell("target_protocol"))://\(route.cell("target_host"))"
            for member in ["route_id", "route_name"] {
                if let name = route[member]?.stringValue { sample.routeNames[name] = "\(name) → \(upstream)" }
            }
        }
        sample.timeNanoseconds = Clock.monotonicNanoseconds()
        return sample
    }

    private func title(_ problem: String? = nil) -> String {
        "fastgate top - \(name)" + (problem.map { " - \(printable($0))" } ?? "")
    }

    // MARK: - Without a terminal

    private func snapshots(_ first: TopSample) throws(CommandFailure) {
        var before = first
        for index in 0..<(call.options.integer("count") ?? 1) {
            usleep(UInt32(min(intervalMilliseconds, 3_600_000)) * 1000)
            let now = try sample()
            let view = TopView(now: now, before: before, title: title())
            if call.asJSON {
                call.console.print(view.json.serialized())
            } else {
                if index > 0 { call.console.print("") }
                view.lines(size: nil, style: call.style).forEach(call.console.print)
            }
            before = now
        }
    }

    // MARK: - On a terminal

    private func watch(_ screen: RawTerminal, _ first: TopSample) throws(CommandFailure) {
        // Signals become events, so that the terminal is given back whatever ends the command.
        guard let signals = try? SignalSource([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH]) else {
            throw CommandFailure(message: "signals cannot be waited for")
        }
        var before: TopSample?
        var now = first
        var problem: String?
        var looks = 1
        while true {
            let size = Terminal.size(STDOUT_FILENO)
            let view = TopView(now: now, before: before, title: title(problem))
            guard screen.draw(view.lines(size: size, style: call.style)) else { return }
            if let count = call.options.integer("count"), looks >= count { return }
            switch wait(screen, signals) {
            case .end: return
            case .redraw: continue
            case .look: break
            }
            looks += 1
            do throws(CommandFailure) {
                let next = try sample()
                before = now
                now = next
                problem = nil
            } catch {
                // It may come back: what was seen last stays.
                problem = error.message
            }
        }
    }

    private enum Event {
        case look, redraw, end
    }

    /// Waits for the next look, a key or a signal.
    private func wait(_ screen: RawTerminal, _ signals: SignalSource) -> Event {
        let deadline = Clock.monotonicMilliseconds() + UInt64(intervalMilliseconds)
        while true {
            let now = Clock.monotonicMilliseconds()
            if now >= deadline { return .look }
            var entries = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&entries, 2, Int32(deadline - now)) > 0 else { continue }
            while let signal = signals.next() {
                switch signal {
                case SIGWINCH, SIGCONT: return .redraw
                case SIGTSTP:
                    screen.leave()
                    kill(getpid(), SIGSTOP)
                    screen.enter()
                    return .redraw
                default: return .end
                }
            }
            guard entries[0].revents != 0 else { continue }
            var keys = [UInt8](repeating: 0, count: 64)
            let count = read(STDIN_FILENO, &keys, keys.count)
            if count <= 0 { return .end }
            if keys[..<count].contains(where: { [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4].contains($0) }) {
                return .end
            }
            if keys[..<count].contains(UInt8(ascii: " ")) { return .look }
        }
    }
}
