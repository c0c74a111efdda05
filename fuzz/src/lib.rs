//! What the fuzz targets share: the corpus' policies, a judged request, and second readers that explain an allow.
//!
//! A target does not only look for panics. Whenever Tollgate allows something, another, naive reader of the same bytes must
//! say that it is harmless; where it does not, the target stops.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use tollgate::bundle::{self, Bundle};
use tollgate::yaml::SourceFile;
use tollgate::facts::{Facts, Given, Told};
use tollgate::gate::{self, Context};
use tollgate::receipt::{Id, Pseudonyms};
use tollgate::terms::Reason;
use tollgate::verdict::Verdict;

/// Who calls.
pub const DESK: &str = "spiffe://cluster.local/ns/corpus/sa/desk";
/// The host that all grants are for.
pub const HOST: &str = "shop.example";

/// The corpus' policies.
pub fn policies() -> &'static Bundle {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let text = include_str!("../../tests/corpus/policies/corpus.yaml").to_owned();
        bundle::load(&[SourceFile { name: "policies.yaml".into(), text }]).expect("the corpus' policies load").bundle
    })
}

/// A request as the corpus writes it: a request line, headers, an empty line, a body. Bytes as they are.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// `None` where Envoy could not describe it either: names and the request line are text to it.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = match bytes.windows(2).position(|two| two == b"\n\n") {
            Some(at) => (&bytes[..at], &bytes[at + 2..]),
            None => (bytes, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let line = std::str::from_utf8(lines.next()?).ok()?;
        let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line);
        let (method, path) = line.split_once(' ')?;
        let mut request = Self { method, host: HOST, path, headers: Vec::new(), body };
        for line in lines {
            let at = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..at]).ok()?;
            let value = line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..]);
            if name.eq_ignore_ascii_case("host") {
                request.host = std::str::from_utf8(value).ok()?;
            } else {
                request.headers.push((name, value));
            }
        }
        Some(request)
    }

    /// A body for one path, of one media type.
    pub fn post(path: &'a str, media_type: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", host: HOST, path, headers: vec![("content-type", media_type.as_bytes())], body }
    }

    /// What Tollgate says of it: whether it may pass, why, and which action it is.
    pub fn judge(&self, headers: Vec<(&str, &[u8])>) -> (bool, Reason, String) {
        let told = Told {
            method: self.method,
            host: self.host,
            path: self.path,
            headers,
            body: if self.body.is_empty() { Given::Nothing } else { Given::Bytes(self.body) },
            size: Some(self.body.len() as u64),
            principal: DESK,
            ..Told::default()
        };
        let pseudonyms = Pseudonyms::for_cases();
        let now = jiff::Timestamp::constant(1_767_225_600, 0);
        let context = Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms };
        let summary = gate::plan(policies(), &Facts::read(told), &context).summary;
        (summary.verdict == Verdict::Allow, summary.reason, summary.action.to_owned())
    }

    /// The headers one by one.
    pub fn apart(&self) -> Vec<(&str, &[u8])> {
        self.headers.clone()
    }

    /// Stops where an allow cannot be explained.
    pub fn check(&self) {
        let (allowed, _, action) = self.judge(self.apart());
        if allowed {
            self.explain(&action)
                .unwrap_or_else(|why| panic!("an allow of {action} without a reason: {why}: {self:?}"));
        }
    }

    /// Why it is right that this passes as that action; an error where nothing says so.
    fn explain(&self, action: &str) -> Result<(), &'static str> {
        let name = self.host.rsplit_once(':').map_or(self.host, |(name, _)| name);
        if !name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(HOST) {
            return Err("another host");
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let lower = path.to_ascii_lowercase();
        let hides = ["//", "/./", "/../", "%2f", "%5c", "%2e", "%3b", "%00", "\\", ";", "#", " "];
        if hides.iter().any(|what| lower.contains(what)) {
            return Err("a path that can be read in two ways");
        }
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let reads = matches!(self.method, "GET" | "HEAD");
        match (action, segments.as_slice()) {
            ("status.read", ["status"]) if reads || self.method == "OPTIONS" => Ok(()),
            ("order.read", ["orders", id]) if reads && *id != "export" => Ok(()),
            ("order.tidy", ["tidy", _]) | ("order.region", ["regions", _]) | ("order.report", ["reports", _])
                if reads =>
            {
                Ok(())
            }
            ("order.list", ["orders"]) if reads => self.parameter("limit", |value| {
                value.is_none_or(|value| value.parse::<i64>().is_ok_and(|count| (0..=20).contains(&count)))
            }),
            ("order.find", ["search"]) if reads => self.parameter("role", |value| value == Some("user")),
            ("order.note", ["orders", _, "notes"]) if self.method == "POST" => Ok(()),
            ("refund.issue", ["orders", _, "refunds"]) if self.method == "POST" => refund(self.body),
            ("refund.packed", ["packed", "refunds"]) if self.method == "POST" => {
                if self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding")) {
                    return Ok(()); // looked at as the target `json_body` does, without its encoding
                }
                plain_amount(self.body)
            }
            ("refund.form", ["forms", "refunds"]) if self.method == "POST" => {
                let text = std::str::from_utf8(self.body).map_err(|_| "a form that is no text")?;
                if text.starts_with("--") {
                    let heads = text.split("--b\r\n").filter_map(|part| Some(part.split_once("\r\n\r\n")?.0));
                    let amounts = heads.filter(|head| head.contains("name=\"amount\"")).count();
                    return if amounts == 1 { Ok(()) } else { Err("an amount not once") };
                }
                let amounts: Vec<_> = text.split('&').filter_map(|pair| pair.strip_prefix("amount=")).collect();
                match amounts.as_slice() {
                    [amount] if unescape(amount).parse::<f64>().is_ok_and(|amount| amount <= 100.0) => Ok(()),
                    _ => Err("an amount that is not there once within the limit"),
                }
            }
            ("tool.list" | "note.read" | "refund.issue", ["mcp"]) if self.method == "POST" => mcp(self.body),
            ("note.read" | "refund.issue", ["graphql"]) if self.method == "POST" => graphql(self.body),
            ("refund.call", ["shop.v1.Refunds", "Issue"]) if self.method == "POST" => grpc(self.body),
            ("cart.get", ["shop.v1.Carts", "Get"]) if self.method == "POST" => Ok(()),
            _ => Err("another route"),
        }
    }

    fn parameter(&self, name: &str, is_good: impl Fn(Option<&str>) -> bool) -> Result<(), &'static str> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let values: Vec<_> = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).collect();
        match values.as_slice() {
            [] if is_good(None) => Ok(()),
            // Escapes of a value are decoded once; the naive reader leaves them to that.
            [one] if is_good(Some(one)) || one.contains('%') => Ok(()),
            _ => Err("a parameter that is not there once and good"),
        }
    }
}

/// `%XX`, once, as a form's reader does it.
fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |so_far, part| match part.get(..2).map(|two| u8::from_str_radix(two, 16)) {
        Some(Ok(byte)) => so_far + &char::from(byte).to_string() + &part[2..],
        _ => so_far + "%" + part,
    })
}

/// JSON as a lenient reader has it, but with all its keys.
#[derive(Debug)]
pub enum Naive {
    Scalar(serde_json::Value),
    List(Vec<Naive>),
    Object(Vec<(String, Naive)>),
}

impl Naive {
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        serde_json::from_slice(bytes).map_err(|_| "the other reader does not take this for JSON")
    }

    fn key(&self, name: &str) -> Result<Option<&Self>, &'static str> {
        let Self::Object(entries) = self else { return Err("no object") };
        let mut found = entries.iter().filter(|(key, _)| key.to_lowercase() == name.to_lowercase());
        match (found.next(), found.next()) {
            (_, Some(_)) => Err("a key that is there twice"),
            (Some((key, value)), None) if key == name => Ok(Some(value)),
            (Some(_), None) => Err("a key in another case"),
            (None, None) => Ok(None),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(serde_json::Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Scalar(serde_json::Value::Number(number)) => number.to_string().parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Naive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Naive;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Naive, E> {
                Ok(Naive::Scalar(value.into()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Naive, E> {
                Ok(Naive::Scalar(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Naive, E> {
                Ok(Naive::Scalar(value.into()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Naive, E> {
                Ok(Naive::Scalar(value.into()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Naive, E> {
                Ok(Naive::Scalar(value.into()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Naive, E> {
                Ok(Naive::Scalar(serde_json::Value::Null))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Naive, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(Naive::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Naive, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = map.next_entry::<String, Naive>()? {
                    all.push(one);
                }
                // How `serde_json` hands over a number as it was written.
                if let [(key, Naive::Scalar(serde_json::Value::String(text)))] = all.as_slice()
                    && key == "$serde_json::private::Number"
                    && let Ok(number) = text.parse::<serde_json::Number>()
                {
                    return Ok(Naive::Scalar(number.into()));
                }
                Ok(Naive::Object(all))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A refund that the contract allows, by its JSON body.
pub fn refund(body: &[u8]) -> Result<(), &'static str> {
    let body = Naive::read(body)?;
    let Naive::Object(entries) = &body else { return Err("no object") };
    let fields = ["amount", "currency", "reason", "order", "input"];
    if entries.iter().any(|(key, _)| !fields.contains(&key.as_str())) {
        return Err("a field that may not be passed on");
    }
    money(&body)
}

fn money(object: &Naive) -> Result<(), &'static str> {
    let amount = object.key("amount")?.and_then(Naive::number).ok_or("no amount")?;
    let currency = object.key("currency")?.and_then(Naive::text).ok_or("no currency")?;
    if currency == "EUR" && (0.01..=100.0).contains(&amount) { Ok(()) } else { Err("above the limit") }
}

fn plain_amount(body: &[u8]) -> Result<(), &'static str> {
    let body = Naive::read(body)?;
    let amount = body.key("amount")?.and_then(Naive::number).ok_or("no amount")?;
    if amount <= 100.0 { Ok(()) } else { Err("above the limit") }
}

/// Messages to an MCP server that the contract allows.
pub fn mcp(body: &[u8]) -> Result<(), &'static str> {
    let messages = match Naive::read(body)? {
        Naive::List(messages) => messages,
        one => vec![one],
    };
    messages.iter().try_for_each(|message| {
        let params = message.key("params")?;
        match message.key("method")?.and_then(Naive::text) {
            Some("tools/list") => Ok(()),
            Some("tools/call") => {
                let params = params.ok_or("no params")?;
                match params.key("name")?.and_then(Naive::text) {
                    Some("read_note") => Ok(()),
                    Some("refund_order") => money(params.key("arguments")?.ok_or("no arguments")?),
                    _ => Err("another tool"),
                }
            }
            _ => Err("another method"),
        }
    })
}

/// A gRPC message that the contract allows, as the library decodes it.
pub fn grpc(body: &[u8]) -> Result<(), &'static str> {
    static MESSAGE: OnceLock<prost_reflect::MessageDescriptor> = OnceLock::new();
    let descriptor = MESSAGE.get_or_init(|| {
        let text = include_str!("../../tests/corpus/policies/corpus.yaml");
        let lines = text.lines().skip_while(|line| !line.starts_with("descriptors:")).skip(1);
        let base64: String = lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
        let bytes = data_encoding::BASE64.decode(base64.as_bytes()).expect("base64");
        let pool = prost_reflect::DescriptorPool::decode(bytes.as_slice()).expect("descriptors");
        pool.get_message_by_name("shop.v1.Refund").expect("a message")
    });
    let message = body.get(5..).ok_or("no frame")?;
    let message = prost_reflect::DynamicMessage::decode(descriptor.clone(), message)
        .map_err(|_| "the library does not read it")?;
    if message.unknown_fields().next().is_some() {
        return Err("a field that nobody knows");
    }
    if message.fields().any(|(field, _)| !["order", "cents", "currency", "reason"].contains(&field.name())) {
        return Err("a field that may not be passed on");
    }
    let cents = message.get_field_by_name("cents").and_then(|value| value.as_i64());
    let currency = message.get_field_by_name("currency").and_then(|value| value.as_str().map(str::to_owned));
    match (cents, currency.as_deref()) {
        (Some(1..=10_000), Some("EUR")) => Ok(()),
        _ => Err("above the limit"),
    }
}

/// A GraphQL request whose every field at the top the contract allows, as another parser reads it.
pub fn graphql(body: &[u8]) -> Result<(), &'static str> {
    use async_graphql_parser::types::{DocumentOperations, OperationType};

    let requests = match Naive::read(body)? {
        Naive::List(requests) => requests,
        one => vec![one],
    };
    for request in &requests {
        let Some(query) = request.key("query")?.and_then(Naive::text) else {
            let ids = ["id", "documentId", "doc_id"].map(|key| request.key(key).ok().flatten().and_then(Naive::text));
            return if ids.contains(&Some("note-1")) { Ok(()) } else { Err("another persisted document") };
        };
        // What the other reader refuses is refused by the service behind, too.
        let Ok(document) = async_graphql_parser::parse_query(query) else { return Ok(()) };
        let operations: Vec<_> = match &document.operations {
            DocumentOperations::Single(one) => vec![&one.node],
            DocumentOperations::Multiple(all) => all.values().map(|one| &one.node).collect(),
        };
        for operation in operations {
            let mut fields = BTreeSet::new();
            collect(&document, &operation.selection_set.node, &mut fields, 0);
            let allowed: &[&str] = match operation.ty {
                OperationType::Query => &["note", "__typename"],
                OperationType::Mutation => &["issueRefund", "__typename"],
                OperationType::Subscription => &[],
            };
            if fields.iter().any(|field| !allowed.contains(&field.as_str())) {
                return Err("another field");
            }
        }
    }
    Ok(())
}

fn collect(
    document: &async_graphql_parser::types::ExecutableDocument,
    set: &async_graphql_parser::types::SelectionSet,
    fields: &mut BTreeSet<String>,
    depth: usize,
) {
    use async_graphql_parser::types::Selection;
    assert!(depth < 100, "fragments without an end were allowed");
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                fields.insert(field.node.name.node.to_string());
            }
            Selection::InlineFragment(fragment) => {
                collect(document, &fragment.node.selection_set.node, fields, depth + 1);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect(document, &fragment.node.selection_set.node, fields, depth + 1);
                }
            }
        }
    }
}
