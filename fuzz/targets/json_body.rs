//! Any body at each place that reads one: what we take for JSON another reader takes for the same, and no allow that it
//! would not give.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::facts::Json;
use tollgate_fuzz::{Naive, Request};

fuzz_target!(|body: &[u8]| {
    if let Ok(ours) = Json::parse(body) {
        let theirs = Naive::read(body).expect("what we read as JSON is JSON");
        assert!(same(&ours, &theirs), "{ours:?} is not {theirs:?}");
    }
    for (path, media_type) in [
        ("/orders/7/refunds", "application/json"),
        ("/packed/refunds", "text/json"),
        ("/mcp", "application/json"),
        ("/graphql", "application/json"),
        ("/forms/refunds", "application/x-www-form-urlencoded"),
        ("/forms/refunds", "multipart/form-data; boundary=b"),
        ("/shop.v1.Refunds/Issue", "application/grpc"),
    ] {
        Request::post(path, media_type, body).check();
    }
});

fn same(ours: &Json<'_>, theirs: &Naive) -> bool {
    match (ours, theirs) {
        (Json::Object(ours), Naive::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((a, x), (b, y))| a.as_ref() == b.as_str() && same(x, y))
        }
        (Json::List(ours), Naive::List(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Json::Text(a), Naive::Scalar(serde_json::Value::String(b))) => a == b,
        (Json::Null, Naive::Scalar(serde_json::Value::Null)) => true,
        (Json::Boolean(a), Naive::Scalar(serde_json::Value::Bool(b))) => a == b,
        (Json::Number(a), Naive::Scalar(serde_json::Value::Number(b))) => plain(a) == plain(&b.to_string()),
        _ => false,
    }
}

/// `1E+5` and `1e5` are one spelling.
fn plain(number: &str) -> String {
    number.to_ascii_lowercase().replace('+', "")
}
