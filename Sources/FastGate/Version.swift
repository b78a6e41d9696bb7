/// The program's version, in `x-proxied-by`, /health and `fastgate version`.
let fastGateVersion = "0.1.0"

/// The day from which this version counts, in the manual page.
let fastGateVersionDate = "2026-11-21"
