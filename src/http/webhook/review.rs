//! A review, from the bytes of the question to the JSON of the answer.
//!
//! Only ConfigMaps that are to be stored are judged. Anything else that is sent here is let through with a warning, since the
//! rules of the webhook are then wider than they should be, and no ConfigMap of somebody else's may fail for it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::config_map::{ConfigMap, Judged};

/// Why a question is none.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Said without the parser's words, which quote what stands there: this is logged.
    #[error("this is no AdmissionReview: it is not JSON, or not of that shape, at line {line} column {column}")]
    Shape {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// Another version, or a response.
    #[error("this is no AdmissionReview of `{API_VERSION}` with a request")]
    Other,
    /// What is under review is no ConfigMap, though it is said to be one.
    #[error("this is no ConfigMap: its `data` and `metadata.annotations` are maps of texts")]
    ConfigMap,
}

/// What came of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Allowed,
    /// It is stored, and something is said to whoever stored it.
    Warned,
    /// It is not stored.
    Denied,
}

/// An answer, and what is logged of it.
#[derive(Debug)]
pub struct Answered {
    /// The `AdmissionReview` that the API server reads.
    pub body: Value,
    pub(super) verdict: Verdict,
    operation: String,
    object: String,
    judged: Judged,
}

/// What is read of the question; there is more in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    uid: String,
    kind: Kind,
    operation: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    /// Not read before it is known to be a ConfigMap, and then as nothing else: a tree of whatever somebody sends takes many times its bytes.
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    kind: String,
}

const API_VERSION: &str = "admission.k8s.io/v1";
/// What `kubectl` shows whole.
const MAX_PROBLEMS: usize = 20;
/// The API server keeps 4096 characters of all warnings of a request, and 256 of each.
const MAX_WARNINGS: usize = 10;
const MAX_WARNING: usize = 250;
const MAX_PROBLEM: usize = 500;

/// Answers a question, which holds no more than its own bytes and a bounded part of memory.
pub fn answer(question: &[u8]) -> Result<Answered, Malformed> {
    let review: Review<'_> = serde_json::from_slice(question)
        .map_err(|error| Malformed::Shape { line: error.line(), column: error.column() })?;
    let request = review.request.filter(|_| review.api_version == API_VERSION && review.kind == "AdmissionReview");
    let Request { uid, kind, operation, namespace, name, object } = request.ok_or(Malformed::Other)?;
    let judged = match (kind.group.as_str(), kind.kind.as_str(), operation.as_str()) {
        ("", "ConfigMap", "CREATE" | "UPDATE") => {
            let map: ConfigMap =
                serde_json::from_str(object.map_or("null", RawValue::get)).map_err(|_| Malformed::ConfigMap)?;
            map.judge()
        }
        ("", "ConfigMap", _) => Judged::default(),
        (_, kind, _) => Judged::warning(format!(
            "tollgate looks at ConfigMaps only, and this is a {kind}: the rules of its webhook are too wide"
        )),
    };
    let verdict = Verdict::of(&judged);
    let body = json!({
        "apiVersion": API_VERSION,
        "kind": "AdmissionReview",
        "response": response(&uid, verdict, &judged),
    });
    let object = [namespace, name].map(|part| plain(&part, MAX_WARNING)).join("/");
    Ok(Answered { body, verdict, operation: plain(&operation, MAX_WARNING), object, judged })
}

fn response(uid: &str, verdict: Verdict, judged: &Judged) -> Value {
    let mut response = json!({ "uid": uid, "allowed": verdict != Verdict::Denied });
    let Some(fields) = response.as_object_mut() else { return response };
    if !judged.warnings.is_empty() {
        let warnings = shown(&judged.warnings, MAX_WARNINGS, MAX_WARNING);
        fields.insert("warnings".to_owned(), warnings.into());
    }
    if verdict == Verdict::Denied {
        let count = judged.problems.len();
        let lines = shown(&judged.problems, MAX_PROBLEMS, MAX_PROBLEM).join("\n");
        let message = format!("{count} problem{} in this ConfigMap\n{lines}", if count == 1 { "" } else { "s" });
        // Without `details`: where there are some, `kubectl` shows them and not the message.
        let status = json!({ "status": "Failure", "reason": "Invalid", "code": 422, "message": message });
        fields.insert("status".to_owned(), status);
    }
    response
}

/// So many of them, and how many there are more.
fn shown(lines: &[String], most: usize, longest: usize) -> Vec<String> {
    let mut shown: Vec<_> = lines.iter().take(most).map(|line| plain(line, longest)).collect();
    if lines.len() > most {
        shown.push(format!("… and {} more: `tollgate validate --configmap` shows all", lines.len() - most));
    }
    shown
}

/// One line of bounded length that cannot move the cursor of a terminal.
fn plain(text: &str, longest: usize) -> String {
    let mut plain = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == longest => {
                plain.push('…');
                break;
            }
            '\n' | '\t' => plain.push(' '),
            c if c.is_control() => plain.push('\u{fffd}'),
            c => plain.push(c),
        }
    }
    plain
}

impl Answered {
    /// One line, without a word of the policies.
    pub(super) fn log(&self) {
        let (problems, warnings) = (self.judged.problems.len(), self.judged.warnings.len());
        let (object, operation, verdict) = (self.object.as_str(), self.operation.as_str(), self.verdict.as_str());
        tracing::info!(object, operation, verdict, problems, warnings, "a ConfigMap was reviewed");
    }
}

impl Verdict {
    pub(super) const ALL: [Self; 3] = [Self::Allowed, Self::Warned, Self::Denied];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Warned => "warned",
            Self::Denied => "denied",
        }
    }

    const fn of(judged: &Judged) -> Self {
        match (judged.problems.is_empty(), judged.warnings.is_empty()) {
            (false, _) => Self::Denied,
            (true, false) => Self::Warned,
            (true, true) => Self::Allowed,
        }
    }
}
