//! Reads manifests or a dump of a running Envoy, and finds what makes the gate silently ineffective.
