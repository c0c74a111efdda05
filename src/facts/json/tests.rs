//! One reading or none, held against `serde_json`.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[track_caller]
fn refused(text: &str, reason: Reason) {
    assert_eq!(Json::parse(text.as_bytes()), Err(reason), "{text}");
}

#[test]
fn what_readers_differ_about_is_refused() {
    for text in
        ["", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "NaN", "Infinity", "-", "01", "1.", ".5", "+1", "1e", "tru"]
    {
        refused(text, Reason::JsonMalformed);
    }
    for text in
        [r#""\x""#, r#""\ud800""#, r#""\ud800A""#, r#""\udc00""#, "\"a\u{1}\"", "\"a\nb\"", r#""\u+123""#, r#""\u12""#]
    {
        refused(text, Reason::JsonMalformed);
    }
    refused("{\"a\\u0000\":1}", Reason::JsonMalformed);
    for text in ["\u{feff}{}", " {}", "\n{}"] {
        refused(text, Reason::JsonPrefix);
    }
    for text in ["{}{}", "1 2", "{} x", "null,", "[]]", "{}//"] {
        refused(text, Reason::JsonTrailing);
    }
    assert_eq!(Json::parse(b"\"\xff\""), Err(Reason::JsonNotUtf8));
}

#[test]
fn a_key_that_stands_twice_or_in_two_cases_is_refused_at_any_depth() {
    for text in [
        r#"{"amount":1,"amount":9999}"#,
        r#"{"amount":1,"Amount":9999}"#,
        r#"{"a":[{"b":{"x":1,"X":2}}]}"#,
        r#"{"s":1,"ſ":2}"#,
        "{\"k\":1,\"\u{212a}\":2}",
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"a":2}"#,
    ] {
        refused(text, Reason::JsonDuplicateKey);
    }
    assert!(Json::parse(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    refused(&nested(MAX_DEPTH + 2), Reason::JsonTooComplex);
    refused(&nested(1_000_000), Reason::JsonTooComplex);
    refused(&format!("[{}]", vec!["1"; MAX_VALUES].join(",")), Reason::JsonTooComplex);
}

#[test]
fn numbers_stay_as_they_were_written() {
    for text in ["0", "-0", "1e999", "12345678901234567890123", "0.10", "1E+2", "9007199254740993"] {
        assert_eq!(Json::parse(text.as_bytes()), Ok(Json::Number(text.into())));
    }
}

#[test]
fn a_pointer_finds_what_has_one_reading() {
    let text = r#"{"a/b":{"~":[10,{"amount":5}]},"Currency":"EUR"}"#;
    let json = Json::parse(text.as_bytes()).unwrap();
    let at = |pointer: &str| json.at(&pointer.parse().unwrap()).map(Option::<&Json<'_>>::cloned);
    assert_eq!(at("/a~1b/~0/1/amount"), Ok(Some(Json::Number("5".into()))));
    assert_eq!(at("/a~1b/~0/01"), Ok(None));
    assert_eq!(at("/nothing/at/all"), Ok(None));
    assert_eq!(at("/currency"), Err(Reason::JsonKeyAmbiguous));
}

fn same(ours: &Json<'_>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Boolean(a), Value::Bool(b)) => a == b,
        (Json::Number(a), Value::Number(b)) => a.parse::<f64>().map(f64::to_bits) == Ok(b.as_f64().unwrap().to_bits()),
        (Json::Text(a), Value::String(b)) => a == b,
        (Json::List(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key.as_ref()).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..12)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_plain_document_is_read_as_others_read_it(value in document()) {
        let text = value.to_string();
        let ours = Json::parse(text.as_bytes());
        prop_assert!(ours.as_ref().is_ok_and(|ours| same(ours, &value)), "{} {:?}", text, ours);
    }

    #[test]
    fn what_is_accepted_means_the_same_to_others(text in "[\\[\\]{}:,\"a-cA-C0-9.eE+\\-\\\\u \ntrufalsn]{0,40}") {
        if let Ok(ours) = Json::parse(text.as_bytes()) {
            // serde_json refuses numbers beyond a double; as text they are the same.
            match serde_json::from_str::<Value>(&text) {
                Ok(theirs) => prop_assert!(same(&ours, &theirs), "{}", text),
                Err(error) => prop_assert!(error.to_string().contains("out of range"), "{} {}", text, error),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::parse(&bytes);
    }
}
