//! Names of headers that mean something to us, whoever sends them.

use std::collections::BTreeSet;

/// The header in which a caller declares its purpose, where the bundle names no other.
pub const PURPOSE: &str = "tollgate-purpose";

/// The header with which the service and the client are told the receipt.
pub const RECEIPT: &str = "tollgate-receipt";

/// The headers of our own family that exist or will.
pub const OURS: [&str; 5] = ["tollgate-action", PURPOSE, RECEIPT, "tollgate-tier", "tollgate-view"];

/// Headers with which a client could make Envoy's own words up. Envoy writes each of them only after us.
pub const ENVOYS: [&str; 3] =
    ["x-envoy-auth-failure-mode-allowed", "x-envoy-decorator-operation", "x-envoy-original-path"];

/// What Envoy shows nobody: with it, it says that a body came cut off.
pub const NEVER_SHOWN: &str = "x-envoy-auth-partial-body";

/// Headers in which some frameworks look for another path than the one that was judged.
pub const OTHER_PATHS: [&str; 3] = ["x-original-uri", "x-original-url", "x-rewrite-url"];

/// These names with dashes and with underscores, sorted, each once: some servers read both as one.
pub fn both_spellings<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let both: BTreeSet<_> = names.flat_map(|name| [name.to_owned(), name.replace('-', "_")]).collect();
    both.into_iter().collect()
}
