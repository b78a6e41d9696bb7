/// The program's version, in `x-proxied-by`, /health and `fastgate version`.
let fastGateVersion = "0.1.0"
