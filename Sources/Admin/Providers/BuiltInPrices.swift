import LLM
import Store

/// The built-in prices, stored as those of a file are.
public enum BuiltInPrices {
    /// - Parameter replacingManual: whether prices that an operator has set by hand are replaced too.
    @discardableResult public static func store(
        _ writer: borrowing WriteConnection, replacingManual: Bool = false
    ) throws(StoreError) -> PriceImport {
        try writer.importPrices(DefaultPrices.entries.map(PriceJSON.record), replacingManual: replacingManual)
    }
}
