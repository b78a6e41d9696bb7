import HTTP
import Reactor

/// Writes the head of a response.
enum ResponseHeadText {
    enum Framing {
        case length(Int)
        case chunked
        case untilClose
        /// 204 and 304 carry no body and no Content-Length (RFC 9110 §8.6).
        case none
    }

    static func write(
        _ response: AdminResponse, framing: Framing, requestID: String, close: Bool, unixSeconds: Int64
    ) -> [UInt8] {
        var text = "HTTP/1.1 \(response.status) \(reasonPhrase(response.status).description)\r\n"
        text += "date: \(httpDate(unixSeconds))\r\n"
        for header in response.headers { text += "\(header.name): \(header.value)\r\n" }
        switch framing {
        case .length(let count): text += "content-length: \(count)\r\n"
        case .chunked: text += "transfer-encoding: chunked\r\n"
        case .untilClose, .none: break
        }
        text += "x-request-id: \(requestID)\r\n"
        if !response.headers.contains(where: { $0.name == "cache-control" }) { text += "cache-control: no-store\r\n" }
        text += "x-content-type-options: nosniff\r\n"
        // The token may stand in the query: it must not travel on in a Referer.
        text += "referrer-policy: no-referrer\r\n"
        if close { text += "connection: close\r\n" }
        return Array((text + "\r\n").utf8)
    }

    /// IMF-fixdate, RFC 9110 §5.6.7.
    static func httpDate(_ unixSeconds: Int64) -> String {
        let days = unixSeconds / 86_400
        let seconds = Int(unixSeconds % 86_400)
        let (year, month, day) = civil(days)
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let time = "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return "\(weekdays[Int(days % 7)]), \(two(day)) \(names[month - 1]) \(year) \(time) GMT"
    }

    /// The Gregorian date of a day after 1970-01-01.
    private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(days) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
