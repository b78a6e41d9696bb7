// What single steps of an exchange cost, each by itself. See ../README.md.

let options = Options.read()
let chosen = options.name.map { name in cases.filter { $0.name == name } } ?? cases
if chosen.isEmpty {
    fail("micro: no case \"\(options.name ?? "")\"; there are \(cases.map(\.name).joined(separator: ", "))")
}

if let iterations = options.iterations {
    // Once, exactly, and nothing else: what a profiler counts is this.
    for each in chosen { keep(each.prepare()(iterations)) }
} else {
    print("case                     ns/op      (median of \(Timing.rounds), lowest)   what")
    for each in chosen { Timing.report(each) }
}
