import Config
import JSON
import LLM
import Proxy
import Reactor
import Store

/// Tries a provider's key once: asks for the list of models, which costs nothing. Blocks, so it belongs on an executor
/// thread. Of the answer only what is known to hold no secret gets out: providers like to repeat a key that they refuse.
struct ProviderKeyProbe {
    struct Result {
        /// Whether the provider took the key.
        var ok = false
        /// `none`; of an answer what `FaultClassifier` says; else the step that failed.
        var fault = "none"
        var status: Int?
        /// How many models the answer lists; nil if it is no such list.
        var models: Int?
        var exchange: ModelListClient.Exchange
        var error: String?

        var json: JSONValue {
            .members([
                ("ok", .bool(ok)), ("fault", .string(fault)), ("status", .optional(status)),
                ("models", .optional(models)), ("resolved", .strings(exchange.resolved)),
                ("connect_ms", .optionalDecimal(exchange.connectMilliseconds)),
                ("tls", exchange.tls.map(JSONValue.bool) ?? .null),
                ("first_byte_ms", .optionalDecimal(exchange.firstByteMilliseconds)),
                ("total_ms", .decimal(exchange.totalMilliseconds)), ("error", .optional(error)),
            ])
        }
    }

    /// The schema of `Result.json`, by hand beside it.
    static let schema = """
        {"type":"object","required":["ok","fault","status","models","resolved","connect_ms","tls","first_byte_ms",\
        "total_ms","error"],"properties":{"ok":{"type":"boolean","description":"Whether the provider took the key."},\
        "fault":{"type":"string","description":"none; of an answer as for requests (key_invalid, key_quota, \
        key_forbidden, rate_limited, overloaded, server_error …); without one the step that failed (dns, connect, tls, \
        timeout, protocol)."},"status":{"type":["integer","null"]},\
        "models":{"type":["integer","null"],"description":"How many models it lists."},\
        "resolved":{"type":"array","items":{"type":"string"}},"connect_ms":{"type":["number","null"]},\
        "tls":{"type":["boolean","null"],"description":"Whether the handshake succeeded; null for http."},\
        "first_byte_ms":{"type":["number","null"]},"total_ms":{"type":"number"},"error":{"type":["string","null"]}}}
        """

    let request: ModelListRequest
    let apiType: String
    let settings: Settings

    /// - Parameter secret: nil: asks without a key.
    static func answer(
        _ provider: ProviderRecord, _ secret: ProviderSecret?, _ context: HandlerContext
    ) throws(AdminFailure) -> AdminResponse {
        do throws(GatewayError) {
            let ask = try ModelListRequest(provider, secret: secret, version: context.shared.version)
            let probe = ProviderKeyProbe(request: ask, apiType: provider.apiType, settings: context.settings)
            return .json(probe.run().json)
        } catch {
            throw .badField(error.field ?? "base_url", error.message)
        }
    }

    func run() -> Result {
        let exchange = ModelListClient(settings: settings).get(request)
        var result = Result(exchange: exchange)
        switch exchange.outcome {
        case .failure(let failure):
            result.fault = failure.step.rawValue
            result.error = failure.text
        case .success(let answer):
            result.status = answer.status
            let type = APIType(name: apiType) ?? .openai
            let fault = answer.body.withUnsafeBufferPointer {
                FaultClassifier.classify(type, status: answer.status, body: Bytes($0.baseAddress, $0.count))
            }
            result.fault = "\(fault.name)"
            if answer.status == 200, fault == .none {
                result.models = ModelListRequest.names(in: answer.body)?.count
                result.ok = result.models != nil
                if !result.ok {
                    result.fault = "protocol"
                    result.error = "its answer is no list of models"
                }
            } else {
                result.error = "it answered \(answer.status)"
            }
        }
        return result
    }
}
