//! Judging takes work in proportion to the length of a request: instructions are counted, not seconds.
//!
//! Callgrind counts what `gate::cases::explain` executes for requests of four lengths, each twice the one before. In linear
//! work each step adds twice what the step before it added; in quadratic work, four times. In the same way it counts one
//! request under few policies and under many.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use tollgate::bundle;
use tollgate::gate::cases;
use tollgate::yaml::SourceFile;

use crate::bench_bundle::{self, Beside};
use crate::corpus_cases;

/// Requests of a kind, by their length.
struct Kind {
    name: &'static str,
    /// The shortest of the four.
    from: usize,
    request: fn(usize) -> Asked,
}

/// What a case asks: a request line, headers, a body.
#[derive(Default)]
struct Asked {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(&'static str, String)>,
}

/// What a step may add, in relation to the step before it. Growing buffers and sorting add a little to the two of linear work.
pub(crate) const MAX_GROWTH: f64 = 2.6;

fn get(path: String) -> Asked {
    Asked { method: "GET", path, ..Asked::default() }
}

fn post(path: &str, media_type: &'static str, body: String) -> Asked {
    Asked { method: "POST", path: path.to_owned(), body: Some((media_type, body)), ..Asked::default() }
}

fn json_body(body: String) -> Asked {
    post("/orders/7/refunds", "application/json", body)
}

fn query(text: impl Into<String>) -> Asked {
    post("/graphql", "application/json", json!({ "query": text.into() }).to_string())
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

const KINDS: &[Kind] = &[
    Kind { name: "a long segment", from: 1_000, request: |n| get(format!("/orders/{}", "a".repeat(n))) },
    Kind { name: "many segments", from: 500, request: |n| get("/a".repeat(n)) },
    Kind { name: "many slashes", from: 1_000, request: |n| get("/".repeat(n)) },
    Kind { name: "many escapes", from: 300, request: |n| get(format!("/orders/{}", "%20".repeat(n))) },
    Kind { name: "a path that is too long", from: 10_000, request: |n| get(format!("/{}", "%2f".repeat(n))) },
    Kind {
        name: "many parameters",
        from: 30,
        request: |n| get(format!("/search?role=user&{}", many(n, |i| format!("a{i}=b&")))),
    },
    Kind { name: "too many parameters", from: 500, request: |n| get(format!("/search?role=user&{}", "a&".repeat(n))) },
    Kind { name: "a long parameter", from: 300, request: |n| get(format!("/search?role={}", "%41".repeat(n))) },
    Kind {
        name: "many headers",
        from: 60,
        request: |n| Asked {
            headers: (0..n).map(|i| (format!("x-{i}"), "a".into())).collect(),
            ..get("/orders/7".into())
        },
    },
    Kind {
        name: "many headers that are nearly one",
        from: 60,
        request: |n| Asked {
            headers: (0..n).map(|i| (format!("x_region{}", "_".repeat(i % 7)) + &i.to_string(), "a".into())).collect(),
            ..get("/regions/7".into())
        },
    },
    Kind {
        name: "a long header with many commas",
        from: 120,
        request: |n| Asked { headers: vec![("x-region".into(), "a,".repeat(n))], ..get("/regions/7".into()) },
    },
    Kind {
        name: "many cookies",
        from: 2_000,
        request: |n| Asked { headers: vec![("cookie".into(), "a=b; ".repeat(n))], ..get("/orders/7".into()) },
    },
    Kind {
        name: "a long authorization",
        from: 4_000,
        request: |n| Asked {
            headers: vec![("authorization".into(), format!("Bearer {}", "a ".repeat(n)))],
            ..get("/orders/7".into())
        },
    },
    Kind {
        name: "a long connection",
        from: 120,
        request: |n| Asked { headers: vec![("connection".into(), "keep-alive,".repeat(n))], ..get("/orders/7".into()) },
    },
    Kind { name: "a long text", from: 7_000, request: |n| json_body(format!(r#"{{"reason":"{}"}}"#, "a".repeat(n))) },
    Kind {
        name: "a text of escapes",
        from: 1_000,
        request: |n| json_body(format!(r#"{{"reason":"{}"}}"#, r"\u0041".repeat(n))),
    },
    Kind {
        name: "many keys",
        from: 600,
        request: |n| json_body(format!("{{{}\"z\":1}}", many(n, |i| format!(r#""k{i}":1,"#)))),
    },
    Kind {
        name: "a key very often",
        from: 600,
        request: |n| json_body(format!("{{{}\"z\":1}}", r#""k":1,"#.repeat(n))),
    },
    Kind {
        name: "many small objects",
        from: 400,
        request: |n| json_body(format!(r#"{{"reason":[{}1]}}"#, r#"{"a":1,"b":2},"#.repeat(n))),
    },
    Kind { name: "long numbers", from: 7_000, request: |n| json_body(format!(r#"{{"amount":{}}}"#, "1".repeat(n))) },
    Kind { name: "many brackets", from: 7_000, request: |n| json_body("[".repeat(n)) },
    Kind { name: "blanks", from: 7_000, request: |n| json_body(format!("{{{}}}", " ".repeat(n))) },
    Kind {
        name: "many fields",
        from: 30,
        request: |n| post("/forms/refunds", "application/x-www-form-urlencoded", many(n, |i| format!("a{i}=b&"))),
    },
    Kind {
        name: "a long field",
        from: 7_000,
        request: |n| post("/forms/refunds", "application/x-www-form-urlencoded", format!("amount={}", "1".repeat(n))),
    },
    Kind {
        name: "parts",
        from: 30,
        request: |n| {
            let part = |i| format!("--b\r\ncontent-disposition: form-data; name=\"a{i}\"\r\n\r\n1\r\n");
            post("/forms/refunds", "multipart/form-data; boundary=b", many(n, part) + "--b--\r\n")
        },
    },
    Kind {
        name: "boundaries that are none",
        from: 1_000,
        request: |n| {
            post("/forms/refunds", "multipart/form-data; boundary=b", format!("--b\r\n{}\r\n--b--", "\r\n--".repeat(n)))
        },
    },
    Kind {
        name: "a batch of messages",
        from: 4,
        request: |n| {
            let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"},"#.repeat(n - 1);
            post("/mcp", "application/json", format!(r#"[{message}{{"jsonrpc":"2.0","id":1,"method":"tools/list"}}]"#))
        },
    },
    Kind { name: "aliases", from: 4, request: |n| query(format!("{{ {} }}", many(n, |i| format!("a{i}: note ")))) },
    Kind {
        name: "arguments",
        from: 60,
        request: |n| query(format!("{{ note({}id: \"1\") }}", many(n, |i| format!("a{i}: 1 ")))),
    },
    Kind { name: "fields below", from: 200, request: |n| query(format!("{{ note {{ {} }} }}", "a ".repeat(n))) },
    Kind {
        name: "fragments",
        from: 20,
        request: |n| query(format!("{{ note }} {}", many(n, |i| format!("fragment f{i} on Q {{ a }} ")))),
    },
    Kind {
        name: "fragments that open fragments",
        from: 4,
        request: |n| {
            let fragments = many(n, |i| format!("fragment f{i} on Q {{ ...f{} ...f{} }} ", i + 1, i + 1));
            query(format!("{{ ...f0 }} {fragments} fragment f{n} on Q {{ a }}"))
        },
    },
    Kind { name: "braces", from: 1_000, request: |n| query("{".repeat(n)) },
    Kind { name: "a comment", from: 7_000, request: |n| query(format!("{{ note }} # {}", "a".repeat(n))) },
    Kind {
        name: "a text in a document",
        from: 7_000,
        request: |n| query(format!("{{ note(id: \"{}\") }}", "a".repeat(n))),
    },
];

impl Asked {
    fn case(&self, name: &str, verdict: &str) -> serde_json::Value {
        let mut headers: serde_json::Map<_, _> =
            self.headers.iter().cloned().map(|(name, value)| (name, value.into())).collect();
        if let Some((media_type, _)) = &self.body {
            headers.insert("content-type".into(), (*media_type).into());
        }
        json!({
            "name": name,
            "given": { "workload": "spiffe://cluster.local/ns/corpus/sa/desk" },
            "request": {
                "method": self.method,
                "host": "shop.example",
                "path": self.path,
                "headers": headers,
                "body": self.body.as_ref().map(|(_, body)| body),
            },
            "expect": { "verdict": verdict },
        })
    }
}

/// The cases, each in a file: what a file holds is bounded. JSON is YAML, as far as it goes here.
fn files(verdicts: Option<&[String]>) -> Vec<SourceFile> {
    let sizes = KINDS.iter().flat_map(|kind| [1, 2, 4, 8].map(|times| (kind, kind.from * times)));
    let file = |(number, (kind, size)): (usize, (&Kind, usize))| {
        let name = format!("work-{number:03}");
        let verdict = verdicts.map_or("deny", |all| &all[number]);
        let case = (kind.request)(size).case(&format!("{} {size}", kind.name), verdict);
        let head = format!("apiVersion: {}\nkind: Test\nmetadata: {{ name: {name} }}\n", bundle::API_VERSION);
        SourceFile { name: format!("{name}.yaml"), text: format!("{head}cases:\n  - {case}\n") }
    };
    sizes.enumerate().map(file).collect()
}

#[test]
fn judging_takes_work_in_proportion_to_the_length_of_a_request() {
    let policies = fs::read_to_string(corpus_cases::folder().join("policies/corpus.yaml")).unwrap();
    // What is expected must be right: for a case that fails, `tollgate test` asks again.
    let mut all = files(None);
    all.push(SourceFile { name: "policies.yaml".into(), text: policies.clone() });
    let loaded = bundle::load(&all).map_err(|all| all.to_string()).unwrap();
    let verdicts: Vec<_> =
        loaded.cases.iter().map(|case| cases::check(&loaded.bundle, case).plan.summary.verdict.to_string()).collect();

    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policies.yaml"), policies).unwrap();
    for file in files(Some(&verdicts)) {
        fs::write(folder.path().join(file.name), file.text).unwrap();
    }
    let counts = count(folder.path(), verdicts.len());
    let mut wrong = Vec::new();
    for (kind, counts) in KINDS.iter().zip(counts.chunks(4)) {
        let counts: Vec<f64> = counts.iter().map(|count| f64::from(*count)).collect();
        let steps: Vec<f64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Where a bound stops the work early, a step adds next to nothing.
        let negligible = counts[0] / 10.0;
        let growth = if steps[2] < negligible { 0.0 } else { steps[2] / steps[1].max(negligible) };
        println!("{:<36} {counts:?} growth {growth:.2}", kind.name);
        if growth > MAX_GROWTH {
            wrong.push(format!(
                "{}: {counts:?}, the last step adds {growth:.2} times what the one before did",
                kind.name
            ));
        }
    }
    assert!(wrong.is_empty(), "more than linear:\n{}", wrong.join("\n"));
}

/// What the action that is judged may be one of, and how much more that may be.
const MANY: usize = 10_000;
const FEW: usize = 10;
const MOST_MORE: f64 = 0.05;

#[test]
fn judging_takes_the_same_work_among_ten_actions_and_among_ten_thousand() {
    let count = |actions: usize| {
        let folder = TempDir::new().unwrap();
        bench_bundle::write(actions, Beside::Plain, folder.path()).unwrap();
        let claims = json!({ "sub": "agent-7", "roles": ["support-agent"], "tenant": "eu" });
        let given = json!({ "workload": bench_bundle::DESK, "claims": claims });
        let asks = |method: &str, path: &str, body| json!({ "method": method, "host": bench_bundle::HOST, "path": path, "body": body });
        let quote = |amount: &str| {
            asks("GET", &format!("/v1/orders/7/refund-quote?amount={amount}&currency=EUR"), serde_json::Value::Null)
        };
        let refund = asks("POST", "/v1/orders/7/refunds", json!({ "amount": 150, "currency": "EUR" }));
        let cases = [
            // The first case pays for what is made once.
            ("it is warm", quote("150.00"), "allow"),
            ("a condition and a limit hold", quote("150.00"), "allow"),
            ("they do not", quote("201.00"), "deny"),
            ("they are about a body", refund, "allow"),
            ("no action at all", quote("150.00&x=1;2"), "deny"),
        ];
        let header = format!("apiVersion: {}\nkind: Test\nmetadata: {{ name: work }}\ncases:\n", bundle::API_VERSION);
        let cases = cases.map(|(name, request, verdict)| {
            json!({ "name": name, "given": given, "request": request, "expect": { "verdict": verdict } })
        });
        let cases: String = cases.iter().map(|case| format!("  - {case}\n")).collect();
        fs::write(folder.path().join("cases.yaml"), header + &cases).unwrap();
        count(folder.path(), 5)
    };
    let (few, many) = (count(FEW), count(MANY));
    println!("among {FEW} actions {few:?}, among {MANY} {many:?}");
    for (few, many) in few.into_iter().zip(many).skip(1) {
        let more = f64::from(many) / f64::from(few) - 1.0;
        assert!(more.abs() <= MOST_MORE, "{few} instructions among {FEW} actions, {many} among {MANY}: {more:+.3}");
    }
}

/// How many instructions each case of a folder takes, all of which must pass.
fn count(folder: &Path, cases: usize) -> Vec<u32> {
    let dumps = TempDir::new().unwrap();
    let out = dumps.path().join("callgrind");
    let judged = "tollgate::gate::cases::explain";
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .args([format!("--toggle-collect={judged}"), format!("--dump-after={judged}")])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env!("CARGO_BIN_EXE_tollgate"))
        .arg("test")
        .arg(folder)
        .output()
        .expect("valgrind counts instructions: install it (Debian: `apt install valgrind`)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    (1..=cases).map(|number| instructions(&format!("{}.{number}", out.display()))).collect()
}

/// The total of one dump.
pub(crate) fn instructions(path: &str) -> u32 {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or_else(|| panic!("{path} has no total"))
}
