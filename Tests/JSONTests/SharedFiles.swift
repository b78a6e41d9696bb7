import Glibc

/// Test data that lies beside the repository. Tests that need it say so and pass when it is absent.
enum SharedFiles {
    /// `../shared/<path>` from the package root, or nil (with a line on why) if it is not there.
    static func folder(_ path: String, file: String = #filePath) -> String? {
        var parts = file.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)  // Tests/JSONTests/<file>
        let folder = parts.joined(separator: "/") + "/../shared/" + path
        guard let handle = opendir(folder) else {
            print("skipped: \(folder) is not there")
            return nil
        }
        closedir(handle)
        return folder
    }

    static func names(in folder: String) -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".json") { names.append(name) }
        }
        return names.sorted()
    }

    static func bytes(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let n = fread(&buffer, 1, buffer.count, file)
            if n == 0 { return all }
            all.append(contentsOf: buffer[..<n])
        }
    }
}
