import Reactor

enum WriterLoop {
    static func main(gate: WriterGate, databasePath: String, rings: [MappedRing], staleRings: [MappedRing]) {
        gate.signal { $0.startResult = .failure(.stopped) }
    }
}
