//! What the webhook takes for one review, whatever stands in it: bytes are counted, since a pod has so many and no more.

use allocation_counter::measure;
use serde_json::{Map, Value, json};
use tollgate::http::webhook;

/// What a review takes besides its own bytes. A pod has 256 MiB: all bodies together may have 24 of them, connections 20.
const MOST: u64 = 180 * 1024 * 1024;
/// What all texts of a ConfigMap have.
const TEXT: usize = 1024 * 1024;

fn review(object: &Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": { "group": "", "version": "v1", "kind": "ConfigMap" }, "operation": "UPDATE",
            "namespace": "shop", "name": "policies", "object": object, "oldObject": object,
        },
    });
    review.to_string().into_bytes()
}

/// As many parts as find room between the two ends.
fn filled(head: &str, part: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let part = part(number);
        if text.len() + part.len() + tail.len() > TEXT {
            break;
        }
        text += &part;
    }
    text + tail
}

/// The shortest names, each once.
fn name(number: usize) -> String {
    let last = char::from(b'a' + u8::try_from(number % 26).unwrap()).to_string();
    if number < 26 { last } else { name(number / 26 - 1) + &last }
}

/// Says whether it is allowed, or is an error, and takes no more than it may.
#[track_caller]
fn check(what: &str, question: &[u8]) -> Option<bool> {
    let mut allowed = None;
    let counted = measure(|| {
        allowed = webhook::answer(question).ok().map(|answered| answered.body["response"]["allowed"] == true);
    });
    assert!(counted.bytes_max <= MOST, "{what}: {counted:?}");
    allowed
}

fn document(kind: &str, rest: &str) -> String {
    format!("apiVersion: tollgate.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: a }}\n{rest}")
}

#[test]
fn a_review_takes_little_whatever_its_texts_hold() {
    let actions = document("Contract", "who: anyone\npurposes: [a]\nactions:\n");
    let hosts: String = (0..32).map(|number| format!("a{number}.b,")).collect();
    let service = document("Service", &format!("hosts: [{hosts}]\nactions:\n a.a:\n  tier: open\n  routes:\n"));
    let headers: String = (0..40_000).map(|number| format!(" - {}\n", name(number))).collect();
    let documents = [
        document("Defaults", &format!("headers:\n{headers}")),
        document("Service", "hosts: [a.b]\nactions:\n a.a:\n  tier: open\n  routes: [{ http: GET /a }]\n"),
        document("Contract", "who: anyone\npurposes: [a]\nactions: { a.a: }\n"),
    ];
    let declared = documents.join("---\n");
    // As many as are read, then blanks.
    let bounded = |part: &'static str| {
        let most = 99_000 / part.matches(['[', '{', ',', '&', '*', '!']).count();
        filled("[", move |number| if number < most { part.to_owned() } else { " ".to_owned() }, "]")
    };
    for (what, text, allowed) in [
        ("lines of nothing", filled("", |_| "-\n".to_owned(), ""), false),
        ("keys in lines", filled("", |number| name(number) + ":\n", ""), false),
        ("brackets", filled("[", |_| "{a},".to_owned(), "]"), false),
        ("maps", bounded("{a},"), false),
        ("lists", bounded("[a],"), false),
        ("pairs", bounded("a: b,"), false),
        ("pairs of nothing", bounded("? ,"), false),
        ("what stands before them", bounded("&a !a a: &b !b b,"), false),
        ("depth", "[".repeat(TEXT), false),
        ("one text", "a".repeat(TEXT), false),
        ("grants", filled(&actions, |number| format!(" {}.a:\n", name(number)), ""), true),
        ("limits", filled(&actions, |number| format!(" {}.a:\n  limit:\n   a: 1\n", name(number)), ""), true),
        ("routes", filled(&service, |number| format!("  - http: GET /{}\n", name(number)), ""), true),
        (
            "conditions beside many headers",
            filled(
                &declared,
                |number| {
                    let guardrail =
                        document("Guardrail", &format!("on:\n when: \"caller.user == '{number}'\"\nthen: deny\n"));
                    format!("---\n{}", guardrail.replace("name: a", &format!("name: a{number}")))
                },
                "",
            ),
            true,
        ),
        ("documents", filled("", |_| "---\na\n".to_owned(), ""), false),
    ] {
        assert_eq!(check(what, &review(&json!({ "data": { "a.yaml": text } }))), Some(allowed), "{what}");
    }
}

#[test]
fn a_review_takes_little_however_many_keys_it_has() {
    let keys =
        |count: usize, end: &str| (0..count).map(|number| (name(number) + end, json!(""))).collect::<Map<_, _>>();
    for (what, object, allowed) in [
        ("files", json!({ "data": keys(80_000, ".yml") }), true),
        ("more than can be stored", json!({ "data": keys(400_000, ".yml") }), false),
        ("keys that are not read", json!({ "data": keys(100_000, "") }), true),
        ("keys in the wrong place", json!({ "binaryData": keys(80_000, ".yml") }), false),
        ("annotations", json!({ "metadata": { "annotations": keys(400_000, "") } }), true),
        ("what is not read", json!({ "a": vec![json!([[]]); 800_000] }), true),
    ] {
        assert_eq!(check(what, &review(&object)), Some(allowed), "{what}");
    }
}
