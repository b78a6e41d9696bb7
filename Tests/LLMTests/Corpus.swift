import Glibc

@testable import LLM

/// An exchange that was recorded with a real provider, see `../shared/exchanges`.
struct RecordedExchange {
    var id: String
    var provider: String
    var endpoint: String
    var isStream: Bool
    var status: Int
    var contentType: String
    var path: String
    /// What is right: prompt, completion, total, cached, cacheWrite, reasoning; nil where nothing is reported of it.
    var usage: [Int64?]?
    var model: String
    /// Bytes of the text that was generated; -1 where the recording does not say.
    var textSize: Int
    var body: [UInt8]
    var request: [UInt8]

    var apiType: APIType { APIType(name: provider) ?? (provider == "vertex" ? .gemini : .openai) }
}

enum Corpus {
    /// All recordings; none (with a line on why) if they are not there.
    static let exchanges: [RecordedExchange] = read()

    private static func read() -> [RecordedExchange] {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        let folder = parts.joined(separator: "/") + "/../shared/exchanges"
        guard access(folder, R_OK) == 0 else {
            print("skipped: \(folder) is not there")
            return []
        }
        guard let file = popen("python3 - '\(folder)' <<'END'\n\(script)\nEND", "r") else { return [] }
        defer { pclose(file) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let n = fread(&buffer, 1, buffer.count, file)
            if n == 0 { break }
            all.append(contentsOf: buffer[..<n])
        }
        if all.isEmpty { print("skipped: the recordings could not be unpacked (python3, xz)") }
        return parse(all)
    }

    /// Lines of tab-separated values, each with the bodies behind it.
    private static func parse(_ all: [UInt8]) -> [RecordedExchange] {
        var found: [RecordedExchange] = []
        var at = 0
        while let end = all[at...].firstIndex(of: 0x0A) {
            let line = String(decoding: all[at..<end], as: UTF8.self)
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            let (body, request) = (Int(parts[15])!, Int(parts[16])!)
            let start = end + 1
            let usage = parts[6..<12].map { Int64($0) }
            found.append(
                RecordedExchange(
                    id: parts[0], provider: parts[1], endpoint: parts[2], isStream: parts[3] == "1",
                    status: Int(parts[4])!, contentType: parts[5], path: parts[12],
                    usage: usage.allSatisfy { $0 == nil } ? nil : usage, model: parts[13], textSize: Int(parts[14])!,
                    body: Array(all[start..<start + body]), request: Array(all[start + body..<start + body + request])))
            at = start + body + request
        }
        return found
    }

    private static let script = """
        import base64, json, lzma, sys
        folder = sys.argv[1]
        out = sys.stdout.buffer
        def lines():
            with lzma.open(folder + "/corpus-dev.jsonl.xz", "rt", encoding="utf-8") as file:
                yield from file
            with open(folder + "/corpus-synthetic-errors.jsonl", encoding="utf-8") as file:
                yield from file
        def bytes_of(value, encoding="utf8"):
            if value is None: return b""
            if not isinstance(value, str): return json.dumps(value, separators=(",", ":")).encode()
            return base64.b64decode(value) if encoding == "base64" else value.encode("utf-8", "surrogatepass")
        for line in lines():
            r = json.loads(line)
            headers = r["response_headers"] or []
            pairs = headers.items() if isinstance(headers, dict) else headers
            content_type = next((v for k, v in pairs if k.lower() == "content-type"), "")
            u = r["usage"] or {}
            fields = [u.get(k) for k in ("input_all", "output", "total", "cached", "cache_write", "reasoning")]
            expect = r["expect"] if isinstance(r["expect"], dict) else {}
            text = expect.get("text")
            size = len(text.encode()) if isinstance(text, str) else -1
            body = bytes_of(r["response_body"], r["response_body_encoding"])
            request = bytes_of(r["request_body"])
            head = [r["id"], r["provider"], r["endpoint"], int(r["is_stream"]), r["status"], content_type]
            head += ["" if f is None else int(f) for f in fields]
            head += [r["path"], r["response_model"] or "", size, len(body), len(request)]
            out.write("\\t".join(str(h).replace("\\t", " ").replace("\\n", " ") for h in head).encode() + b"\\n")
            out.write(body + request)
        """
}
