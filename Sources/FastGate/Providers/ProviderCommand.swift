import JSON

/// What the commands about providers share.
enum ProviderCommand {
    /// Who answers: a running gateway, for which changes count at once, or this process.
    static func access(_ call: Call) throws(CommandFailure) -> any AdminAccess {
        try call.access(createsDatabase: true)
    }

    /// A path of the admin API; each part is one segment.
    static func path(_ parts: String...) -> String {
        "/admin/" + parts.map(APIRequest.encoded).joined(separator: "/")
    }

    /// A list: as JSON as it came, or as a table of some members.
    static func print(_ call: Call, _ items: [JSONValue], _ members: [String]) {
        if call.asJSON { return call.print(JSONValue.array(items)) }
        var table = Table(members.map { Table.Column($0.uppercased(), shrinks: true) })
        for item in items { table.add(members.map { Table.Cell(item.cell($0)) }) }
        call.print(table)
    }
}
