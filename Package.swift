// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let strictC: [CSetting] = [.treatAllWarnings(as: .error), .define("_GNU_SOURCE")]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies, swiftSettings: strict)
}

let package = Package(
    name: "FastGate",
    products: [.executable(name: "fastgate", targets: ["FastGate"])],
    targets: [
        // C hides behind one module each: a library has exactly one importer.
        .target(name: "CEpoll", cSettings: strictC),
        .target(name: "CScan", cSettings: strictC),
        // The dashboard's files; `exclude` keeps them from being taken for resources.
        .target(name: "CDashboard", exclude: ["web"], cSettings: strictC),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),

        module("Reactor", ["CEpoll", "COpenSSL", "CAres"]),
        module("HTTP", ["CScan"]),
        module("JSON", ["CScan", "CPCRE2"]),
        module("Config", ["CYAML"]),
        module("Log", []),
        module("Inflate", ["Reactor", "CZlib"]),
        module("LLM", ["Reactor", "JSON", "CScan", "Inflate"]),
        module("Store", ["Reactor", "JSON", "Log", "Inflate", "CScan", "CSQLite"]),
        module("Proxy", ["Reactor", "HTTP", "JSON", "LLM", "Inflate", "Config", "Log", "Store"]),
        module(
            "Admin", ["Reactor", "HTTP", "JSON", "LLM", "Config", "Log", "Inflate", "Store", "Proxy", "CDashboard"]),
        .executableTarget(
            name: "FastGate",
            dependencies: ["Reactor", "HTTP", "JSON", "LLM", "Config", "Log", "Store", "Proxy", "Admin"],
            swiftSettings: strict),

        // Load and comparison tools; no part of the gateway.
        .executableTarget(name: "mock-llm", path: "bench/mock-llm", cSettings: strictC),
        .executableTarget(name: "relay", path: "bench/relay", cSettings: strictC),
        .executableTarget(name: "loadgen", path: "bench/loadgen", cSettings: strictC),
        .executableTarget(
            name: "micro", dependencies: ["Reactor", "HTTP", "JSON", "LLM", "Store", "Proxy"], path: "bench/micro",
            swiftSettings: strict),
        .executableTarget(
            name: "storebench", dependencies: ["Reactor", "Store"], path: "bench/storebench", swiftSettings: strict),

        // Run under the thread sanitizer by ./test.
        .executableTarget(
            name: "ring-stress", dependencies: ["Reactor"], path: "Tests/RingStress", swiftSettings: strict),

        tests("Reactor", ["CEpoll"]),
        tests("HTTP"),
        tests("JSON"),
        tests("Config"),
        tests("Log"),
        tests("Inflate", ["Reactor", "CZlib"]),
        tests("LLM", ["Reactor", "JSON", "Inflate", "CZlib"]),
        tests("Store", ["Reactor", "JSON", "Log"]),
        tests("Proxy", ["Reactor", "HTTP", "JSON", "LLM", "Config", "Store"]),
        tests("Admin", ["Reactor", "HTTP", "JSON", "Config", "Store", "Proxy"]),
        tests("FastGate", ["Reactor", "JSON", "Config", "Log", "Store", "Proxy", "Admin"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11
)

// Only scripts/fuzz asks for it: libFuzzer brings its own main, so that it cannot be linked without the sanitizer.
if Context.environment["FASTGATE_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "CEpoll", "Reactor", "HTTP", "JSON", "Config", "LLM", "Inflate", "Store", "Proxy", "Admin",
            ],
            path: "Tests/Fuzz", exclude: ["corpus", "shared_seeds.py"], swiftSettings: strict))
}
