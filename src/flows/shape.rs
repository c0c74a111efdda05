//! The shape of a call: its path with everything taken out that may be somebody's.
//!
//! A segment stays as it is where it is a word of APIs: one that a route of the catalogue has, or one of the list below.
//! Whatever else stands there is only said to be a number, a word, a text: an unknown word may be a name.

use std::fmt;

use crate::catalog::Catalog;
use crate::facts::Target;

/// A call by its shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The host as the catalogue has it; `other` where it has none.
    pub host: String,
    /// The method; `other` where it is none of HTTP's own.
    pub method: &'static str,
    /// The path, `/v1/{word}/{number}`.
    pub path: String,
}

/// Deeper paths end in `…`.
const MAX_SEGMENTS: usize = 8;

/// RFC 9110, section 9, and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// Words that stand in paths of APIs everywhere and are nobody's, sorted.
#[rustfmt::skip] // one word on each line would be two hundred lines
const WORDS: &[&str] = &[
    "access", "account", "accounts", "actions", "activate", "activity", "address", "addresses", "admin", "agents",
    "analytics", "api", "approve", "apps", "archive", "assets", "attachments", "audit", "auth", "authorize",
    "balance", "basket", "batch", "billing", "bookings", "bulk", "callback", "campaigns", "cancel", "cards", "carts",
    "categories", "charges", "chat", "checkout", "claims", "clients", "close", "comments", "companies", "config",
    "confirm", "consent", "consents", "contacts", "contracts", "conversations", "count", "coupons", "create",
    "credentials", "credits", "crm", "current", "customer", "customers", "dashboard", "data", "deals", "delete",
    "deliveries", "details", "devices", "discounts", "documents", "download", "downloads", "email", "emails",
    "employees", "entitlements", "erase", "events", "export", "exports", "features", "feedback", "files", "find",
    "forms", "graphql", "groups", "health", "history", "holds", "images", "import", "imports", "internal",
    "inventory", "invite", "invoices", "items", "jobs", "keys", "labels", "leads", "limits", "links", "list", "lists",
    "locations", "lock", "login", "logout", "logs", "lookup", "loyalty", "mandates", "mcp", "me", "media", "members",
    "merge", "messages", "metadata", "methods", "metrics", "mfa", "notes", "notifications", "oauth", "offers", "open",
    "orders", "organizations", "orgs", "parcels", "partners", "password", "payment", "payments", "payouts",
    "permissions", "persons", "phone", "photos", "plans", "policies", "preferences", "prices", "private", "products",
    "profile", "profiles", "projects", "promotions", "public", "query", "queues", "quotes", "ratings", "receipts",
    "records", "redeem", "refresh", "refund", "refunds", "register", "reports", "requests", "reset", "returns",
    "reviews", "revoke", "roles", "rules", "search", "segments", "send", "sessions", "settings", "share", "shipments",
    "shipping", "signup", "sms", "stats", "status", "stores", "subjects", "submit", "subscriptions", "summary",
    "support", "survey", "surveys", "sync", "tags", "tasks", "teams", "templates", "tenants", "tickets", "token",
    "tokens", "track", "tracking", "transactions", "transcripts", "transfers", "unlock", "update", "upload",
    "uploads", "user", "users", "validate", "verify", "vouchers", "wallet", "warehouse", "webhooks",
];

impl Shape {
    /// The shape of a call under a catalogue.
    pub fn of(catalog: &Catalog, target: &Target<'_>) -> Self {
        let host = catalog.host_of(target.host.as_str()).unwrap_or_else(|| "other".to_owned());
        let method = METHODS.iter().find(|one| **one == target.method).copied().unwrap_or("other");
        let mut path = String::new();
        let mut segments = target.path.as_str().strip_prefix('/').unwrap_or_default().split('/');
        for segment in segments.by_ref().take(MAX_SEGMENTS) {
            path.push('/');
            path.push_str(if is_word(catalog, segment) { segment } else { kind(segment) });
        }
        if segments.next().is_some() {
            path.push_str("/…");
        }
        Self { host, method, path }
    }
}

fn is_word(catalog: &Catalog, segment: &str) -> bool {
    catalog.has_literal(segment) || WORDS.binary_search(&segment).is_ok() || is_version(segment)
}

/// `v1`, `v2.1`, as APIs count themselves.
fn is_version(segment: &str) -> bool {
    segment.len() <= 6
        && segment.strip_prefix('v').is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit()) && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
}

/// What an unknown segment is, in words that say nothing of it.
fn kind(segment: &str) -> &'static str {
    let all = |test: fn(&u8) -> bool| segment.as_bytes().iter().all(test);
    match segment {
        "" => "",
        _ if all(u8::is_ascii_digit) => "{number}",
        _ if uuid::Uuid::try_parse(segment).is_ok() => "{uuid}",
        _ if segment.contains('@') => "{address}",
        _ if segment.len() >= 8 && all(u8::is_ascii_hexdigit) => "{hex}",
        _ if all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_')) => "{word}",
        _ if all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) => "{id}",
        _ => "{text}",
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_words_can_be_searched() {
        assert!(WORDS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
