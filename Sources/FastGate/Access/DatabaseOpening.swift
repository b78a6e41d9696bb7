import Admin
import Config
import Store

extension Database {
    /// Opens the database that the settings name. One that is made by that begins with the built-in prices, unless the
    /// settings say otherwise.
    static func open(
        _ settings: Settings, isShared: Bool = false, onBusy: (() -> Void)? = nil
    ) throws(StoreError) -> Database {
        try open(
            path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes, isShared: isShared,
            filling: { (writer: borrowing WriteConnection) throws(StoreError) in
                if settings.providers.defaultPrices { try BuiltInPrices.store(writer) }
            }, onBusy: onBusy)
    }
}
