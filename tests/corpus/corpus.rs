//! Reads the corpus: requests that two readers could understand differently, and the answer that each deserves.
//!
//! The tests run each case three times: judged in this process, through an Envoy that mends nothing, and through Envoy as
//! we ship it. `tests/corpus/README.md` has the format.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use serde::Deserialize;

/// One request and what becomes of it.
#[derive(Debug)]
pub struct Case {
    /// The file it stands in, and what it shows.
    pub name: String,
    /// Who asks.
    pub caller: Caller,
    /// The request.
    pub request: Request,
    /// By Tollgate alone.
    pub judged: Expected,
    /// Through an Envoy that mends nothing.
    pub bare: Expected,
    /// Through Envoy as it is shipped.
    pub shipped: Expected,
}

/// Who asks: by the certificate that it shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Caller {
    /// The one to whom the corpus' policies grant something.
    #[default]
    Desk,
    /// Another workload of the same trust domain.
    Other,
    /// A workload of another trust domain.
    Foreign,
    /// No certificate at all.
    Nobody,
}

/// A request, byte for byte.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: Vec<u8>,
    pub host: Vec<u8>,
    pub target: Vec<u8>,
    /// Without `host`.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// It passes as this action.
    Granted(String),
    /// It is refused for this reason.
    Refused(String),
    /// Envoy refuses it itself, with this status, and nobody is asked.
    Envoy(u16),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    /// Where the class was seen first.
    #[serde(rename = "from")]
    _from: Option<String>,
    #[serde(default, rename = "as")]
    caller: Caller,
    request: String,
    judged: String,
    bare: Option<String>,
    shipped: Option<String>,
    /// What is not obvious about the answers.
    #[serde(rename = "note")]
    _note: Option<String>,
}

impl Caller {
    /// The SPIFFE id in its certificate.
    pub const fn spiffe_id(self) -> Option<&'static str> {
        match self {
            Self::Desk => Some("spiffe://cluster.local/ns/corpus/sa/desk"),
            Self::Other => Some("spiffe://cluster.local/ns/corpus/sa/other"),
            Self::Foreign => Some("spiffe://elsewhere.example/ns/corpus/sa/desk"),
            Self::Nobody => None,
        }
    }
}

/// The folder in which the corpus stands.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
}

/// All cases below a folder, in the order of files and lines.
pub fn read(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| read_file(file)).collect()
}

fn read_file(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let class = path.file_stem().unwrap().to_string_lossy().into_owned();
    file.case
        .into_iter()
        .map(|case| {
            let judged = Expected::read(&case.judged);
            let bare = case.bare.as_deref().map_or_else(|| judged.clone(), Expected::read);
            let shipped = case.shipped.as_deref().map_or_else(|| bare.clone(), Expected::read);
            let request = Request::read(&case.request);
            Case { name: format!("{class}: {}", case.name), caller: case.caller, request, judged, bare, shipped }
        })
        .collect()
}

impl Expected {
    fn read(text: &str) -> Self {
        match text.split_once(' ') {
            Some(("granted", action)) => Self::Granted(action.to_owned()),
            Some(("envoy", status)) => Self::Envoy(status.parse().unwrap()),
            _ => Self::Refused(text.to_owned()),
        }
    }

    /// What a recorded decision says.
    pub fn of_record(reason: &str, action: &str) -> Self {
        if reason == "granted" { Self::Granted(action.to_owned()) } else { Self::Refused(reason.to_owned()) }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(action) => write!(f, "granted {action}"),
            Self::Refused(reason) => f.write_str(reason),
            Self::Envoy(status) => write!(f, "envoy {status}"),
        }
    }
}

impl Request {
    fn read(text: &str) -> Self {
        let text = repeat(text);
        let (head, body) = match text.split_once("\n\n") {
            Some((head, body)) => (head, read_body(body)),
            None => (text.as_str(), Vec::new()),
        };
        let mut lines = head.split('\n');
        let line = lines.next().unwrap();
        let line = line.strip_suffix(" HTTP/1.1").unwrap_or_else(|| panic!("`{line}` ends without HTTP/1.1"));
        let (method, target) = line.split_once(' ').unwrap_or((line, ""));
        let mut request = Self {
            method: bytes(method),
            host: b"shop.example".to_vec(),
            target: bytes(target),
            headers: Vec::new(),
            body,
        };
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no header"));
            let value = bytes(value.strip_prefix(' ').unwrap_or(value));
            if name == "host" {
                request.host = value;
            } else {
                request.headers.push((bytes(name), value));
            }
        }
        request
    }

    /// As it goes on the wire. A length is added where the case has a body and says nothing of how long it is.
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\nhost: ", &self.host, b"\r\n"].concat();
        for (name, value) in &self.headers {
            wire.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        let has = |wanted: &[u8]| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let has_length = has(b"content-length") || has(b"transfer-encoding");
        if !has_length && (!self.body.is_empty() || matches!(&self.method[..], b"POST" | b"PATCH" | b"DELETE")) {
            wire.extend(format!("content-length: {}\r\n", self.body.len()).into_bytes());
        }
        wire.extend(b"\r\n");
        wire.extend(&self.body);
        wire
    }
}

/// `${text*count}` stands for a text that is repeated.
pub fn repeat(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let (repeated, rest) = read_repeated(part).unwrap_or_else(|| panic!("`${{{part}` repeats nothing"));
        whole.push_str(&repeated);
        whole.push_str(rest);
    }
    whole
}

/// The text may hold stars and braces itself: the count is what stands between a star and a brace.
fn read_repeated(part: &str) -> Option<(String, &str)> {
    part.match_indices('*').find_map(|(at, _)| {
        let (text, rest) = part.split_at(at);
        let (count, rest) = rest.strip_prefix('*')?.split_once('}')?;
        Some((text.repeat(count.parse().ok()?), rest))
    })
}

/// `\xNN`, `\r` and `\n` stand for bytes. No other backslash means anything here; JSON has its own.
fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'\\', [b'r', behind @ ..]) => (b'\r', behind),
            (b'\\', [b'n', behind @ ..]) => (b'\n', behind),
            (b'\\', [b'x', high, low, behind @ ..]) => (hex(*high) << 4 | hex(*low), behind),
            _ => (*first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

fn hex(digit: u8) -> u8 {
    u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap()
}

/// A body that begins with `@gzip` is compressed; `@gzip+junk` and `@gzip-twice` put something behind it.
fn read_body(text: &str) -> Vec<u8> {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&bytes(text)).unwrap();
        encoder.finish().unwrap()
    };
    match text.split_once(' ') {
        Some(("@gzip", text)) => gzip(text),
        Some(("@gzip+junk", text)) => [gzip(text), b"junk".to_vec()].concat(),
        Some(("@gzip-twice", text)) => [gzip(text), gzip(text)].concat(),
        _ => bytes(text),
    }
}
