//! Reviews, as the API server sends them and as nobody should.

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::review::{Verdict, answer};
use super::room::Room;
use super::{Body, COMING, MAX_BODY, SMALL, Unanswered, read};

const HEAD: &str = "apiVersion: tollgate.dev/v1alpha1\n";
const SERVICE: &str = "kind: Service\nmetadata: { name: orders }\nhosts: [a.example]\nactions:\n  order.read: { tier: open, routes: [{ http: GET /o }] }\n";
const CONTRACT: &str =
    "kind: Contract\nmetadata: { name: c }\nwho: anyone\npurposes: [essential]\nactions:\n  order.read:\n";

fn document(text: &str) -> String {
    format!("{HEAD}{text}")
}

/// A ConfigMap with these keys.
fn map(data: &[(&str, &str)]) -> Value {
    let data: BTreeMap<_, _> = data.iter().copied().collect();
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "policies", "namespace": "shop" }, "data": data })
}

fn review(operation: &str, object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "name": "policies", "namespace": "shop", "operation": operation,
            "userInfo": { "username": "admin", "groups": ["system:masters"] },
            "object": object, "oldObject": null, "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}

/// Verdict, message and warnings.
fn judge(object: &Value) -> (Verdict, String, Vec<String>) {
    let answered = answer(review("CREATE", object).to_string().as_bytes()).unwrap();
    let response = &answered.body["response"];
    assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(response["allowed"], answered.verdict != Verdict::Denied);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let warnings = response["warnings"].as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default();
    if answered.verdict == Verdict::Denied {
        assert_eq!((&response["status"]["reason"], &response["status"]["code"]), (&json!("Invalid"), &json!(422)));
        return (answered.verdict, text(&response["status"]["message"]), warnings);
    }
    assert!(response.get("status").is_none());
    (answered.verdict, String::new(), warnings)
}

#[test]
fn a_whole_bundle_is_allowed_without_a_word() {
    let both = format!("{}---\n{}", document(SERVICE), document(CONTRACT));
    assert_eq!(judge(&map(&[("all.yaml", &both)])), (Verdict::Allowed, String::new(), vec![]));
}

#[test]
fn what_refers_to_other_configmaps_is_a_warning_and_an_error_of_one_that_is_the_whole() {
    let mut part = map(&[("contracts.yaml", &document(CONTRACT))]);
    let missing = "contracts.yaml:7:3: no service has an action `order.read`";
    let (verdict, _, warnings) = judge(&part);
    assert_eq!(verdict, Verdict::Warned);
    assert!(warnings[0].contains("by itself this is no bundle") && warnings[1].starts_with(missing), "{warnings:?}");
    part["metadata"]["annotations"] = json!({ "tollgate.dev/bundle": "whole" });
    let (verdict, message, warnings) = judge(&part);
    assert_eq!((verdict, warnings), (Verdict::Denied, vec![]));
    assert!(message.starts_with(&format!("1 problem in this ConfigMap\n{missing}")), "{message}");
    part["metadata"]["annotations"] = json!({ "tollgate.dev/bundle": "hole" });
    assert!(judge(&part).2[0].contains("anything else is taken for `part`"));
}

#[test]
fn what_is_wrong_whatever_other_configmaps_hold_is_denied_with_key_line_and_column() {
    let check = |texts: &[&str], said: &[&str]| {
        let names: Vec<_> = (0..texts.len()).map(|number| format!("{number}.yaml")).collect();
        let data: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().copied()).collect();
        let (verdict, message, _) = judge(&map(&data));
        assert_eq!(verdict, Verdict::Denied, "{texts:?}");
        for said in said {
            assert!(message.contains(said), "{said} in {message}");
        }
    };
    let contract = |from: &str, to: &str| document(&CONTRACT.replace(from, to));
    check(&["a: [1"], &["0.yaml:", "this is not YAML"]);
    check(&[&contract("purposes", "purpose")], &["0.yaml:5:1: ", "did you mean `purposes`?"]);
    check(&[&contract("who: anyone", "who: nobody")], &["0.yaml:4:6"]);
    check(&[&document(CONTRACT), &document(CONTRACT)], &["there are two `Contract` documents named `c`", "0.yaml"]);
    // Conditions are read also where the action that they are about is not here.
    check(&[&contract("order.read:", "order.read: { when: \"caller.acr ==\" }")], &["0.yaml:7:"]);
    let guardrail = |when: &str| {
        document(&format!(
            "kind: Guardrail\nmetadata: {{ name: g }}\non: {{ tier: open, when: \"{when}\" }}\nthen: deny\n"
        ))
    };
    check(&[&guardrail("tier = 'open'")], &["0.yaml:4:"]);
    // Two problems, both are said.
    check(&[&contract("who: anyone", "who: nobody"), "a: [1"], &["2 problems", "0.yaml:4:6", "1.yaml:"]);
}

#[test]
fn nothing_that_another_configmap_may_declare_is_denied() {
    let both = |service: &str, contract: &str| format!("{}---\n{}", document(service), document(contract));
    let header = both(
        SERVICE,
        &CONTRACT.replace("order.read:", "order.read: { when: \"request.headers['x-region'] == 'eu'\" }"),
    );
    let guardrail = document(
        "kind: Guardrail\nmetadata: { name: g }\non: { tier: impact, when: \"inputs.amount > money('5 EUR')\" }\nthen: deny\n",
    );
    let over = document(
        "kind: Override\nmetadata: { name: o, owner: a@example.com }\nreason: backlog\nexpiresAt: 2030-12-01T00:00:00Z\nof: { contract: elsewhere, action: order.read, set: { mode: observe } }\n",
    );
    let unmapped = document("kind: Defaults\nmetadata: { name: d }\nunmapped: { read: { grantTo: [elsewhere] } }\n");
    let case = document("kind: Test\nmetadata: { name: t }\ncases: []\n");
    for text in [header, guardrail, over, unmapped, case, "# nothing yet\n".to_owned()] {
        let (verdict, message, _) = judge(&map(&[("part.yaml", &text)]));
        assert_ne!(verdict, Verdict::Denied, "{text}\n{message}");
    }
    let (verdict, _, warnings) = judge(&map(&[]));
    assert_eq!(verdict, Verdict::Warned);
    assert!(warnings[1].contains("there is no policy document"), "{warnings:?}");
}

#[test]
fn what_no_pod_would_read_is_said() {
    let all = format!("{}---\n{}", document(SERVICE), document(CONTRACT));
    let mut object = map(&[("all.yml", &all), ("README.md", "hello"), (".swp.yaml", "x: ["), ("all.yaml.bak", "x: [")]);
    object["immutable"] = json!(true);
    object["binaryData"] = json!({ "logo.png": "iVBO" });
    let (verdict, _, warnings) = judge(&object);
    assert_eq!(verdict, Verdict::Warned);
    let said = [
        "immutable",
        "logo.png is not read",
        ".swp.yaml is not read: it begins with a dot",
        "README.md is not read",
        "all.yaml.bak is not read",
    ];
    assert_eq!(warnings.len(), said.len(), "{warnings:?}");
    for said in said {
        assert!(warnings.iter().any(|line| line.contains(said)), "{said} in {warnings:?}");
    }
    object["binaryData"] = json!({ "more.yaml": "YQ==" });
    assert!(judge(&object).1.contains("more.yaml: policies are text; help: put it under `data`"));
}

#[test]
fn what_could_not_be_stored_is_denied_unread() {
    let [most, rest] = [1024 * 1024, 64 * 1024].map(|bytes| "#".repeat(bytes));
    assert_eq!(judge(&map(&[("a.yaml", &most)])).0, Verdict::Warned);
    let (verdict, message, _) = judge(&map(&[("a.yaml", &most), ("b.yaml", &rest), ("c.yaml", "a: [1")]));
    assert_eq!((verdict, message.lines().count()), (Verdict::Denied, 2));
    assert!(message.contains("cannot be stored"), "{message}");
    // What is written in base64 is longer than what is stored.
    let mut object = map(&[]);
    object["binaryData"] = json!({ "a.bin": "A".repeat(most.len() / 3 * 4) });
    assert_eq!(judge(&object).0, Verdict::Warned);
}

#[test]
fn what_is_said_is_bounded_and_moves_no_cursor() {
    let many: String = (0..400).map(|number| format!("a{number}: 1\n")).collect();
    let evil = document(&format!("kind: \"\\e[2J\\n{}\"\nmetadata: {{ name: c }}\n", "é".repeat(2000)));
    let (_, message, _) = judge(&map(&[
        ("evil.yaml", &evil),
        ("many.yaml", &document(&CONTRACT.replace("retain", &many))),
        ("x.yaml", &document(&format!("kind: Contract\nmetadata: {{ name: c }}\n{many}"))),
    ]));
    assert!(message.lines().count() == 22 && message.lines().all(|line| line.chars().count() <= 501), "{message}");
    assert!(message.contains("more: `tollgate validate --configmap` shows all"), "{message}");
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
    let actions: String = (0..100).map(|number| format!("  a.a{number}:\n")).collect();
    let (_, _, warnings) = judge(&map(&[("c.yaml", &document(&CONTRACT.replace("  order.read:\n", &actions)))]));
    assert_eq!(warnings.len(), 11);
    assert!(warnings.iter().map(|line| line.chars().count()).sum::<usize>() < 4096);
    assert!(warnings.iter().all(|line| line.chars().count() <= 256), "{warnings:?}");
}

#[test]
fn what_is_not_to_be_stored_or_no_configmap_is_let_through() {
    let bad = map(&[("a.yaml", "a: [1")]);
    let answered = answer(review("DELETE", &Value::Null).to_string().as_bytes()).unwrap();
    assert_eq!(answered.verdict, Verdict::Allowed);
    assert_eq!(answer(review("UPDATE", &bad).to_string().as_bytes()).unwrap().verdict, Verdict::Denied);
    let mut other = review("CREATE", &bad);
    other["request"]["kind"] = json!({ "group": "", "version": "v1", "kind": "Secret" });
    let answered = answer(other.to_string().as_bytes()).unwrap();
    assert_eq!(answered.verdict, Verdict::Warned);
    assert!(answered.body.to_string().contains("this is a Secret: the rules of its webhook are too wide"));
}

#[test]
fn what_is_no_review_is_an_error_that_quotes_nothing() {
    let mut version = review("CREATE", &map(&[]));
    version["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut data = review("CREATE", &map(&[]));
    data["request"]["object"]["data"] = json!({ "a.yaml": ["hunter2"] });
    let mut uid = review("CREATE", &map(&[]));
    uid["request"]["uid"] = json!(["hunter2"]);
    let mut absent = review("CREATE", &Value::Null);
    absent["request"].as_object_mut().unwrap().remove("object");
    let mut response = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {} });
    for bad in [version, data, uid, absent, response.take(), json!([]), json!("hunter2"), Value::Null] {
        let said = answer(bad.to_string().as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("this is no ") && !said.contains("hunter2"), "{bad}: {said}");
    }
    for bad in [&b"hunter2"[..], b"", b"\xff\xfe", b"{\"apiVersion\":", &b"[".repeat(100_000)] {
        assert!(answer(bad).is_err());
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_how_long_it_is_is_bounded_too() {
    let body = |length: usize| {
        Body::from_stream(futures_util::stream::iter([
            Ok::<_, std::io::Error>(vec![b' '; length / 2]),
            Ok(vec![b' '; length - length / 2]),
        ]))
    };
    let room = Room::new(COMING, 1);
    assert_eq!(read(body(MAX_BODY), &room).await.unwrap().0.len(), MAX_BODY);
    assert!(matches!(read(body(MAX_BODY + 1), &room).await, Err(Unanswered::TooLarge)));
    let cut = futures_util::stream::iter([Ok(vec![b'{']), Err(std::io::Error::other("gone"))]);
    assert!(matches!(read(Body::from_stream(cut), &room).await, Err(Unanswered::CutOff)));
    assert_eq!(room.left(), (COMING, 1));
}

/// A body that begins, and does not go on.
fn begun(length: usize) -> Body {
    let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b' '; length])]);
    Body::from_stream(begun.chain(futures_util::stream::pending()))
}

#[tokio::test]
async fn a_large_body_waits_for_a_place_where_there_is_no_room_and_a_small_one_does_not() {
    let (room, body) = (Room::new(SMALL, 1), |length| Body::from(vec![b' '; length]));
    // It has the place, and the rest does not come.
    let mut first = Box::pin(read(begun(SMALL + 1), &room));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(read(body(SMALL + 1), &room));
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(read(body(SMALL), &room).await.unwrap().0.len(), SMALL);
    drop(first);
    let (whole, held) = second.await.unwrap();
    assert_eq!((whole.len(), room.left()), (SMALL + 1, (SMALL, 0)));
    drop(held);
    assert_eq!(room.left(), (SMALL, 1));
}

#[tokio::test]
async fn who_begins_large_bodies_and_does_not_end_them_keeps_nobody_waiting_and_holds_what_has_come() {
    let (room, body) = (Room::new(COMING, 1), |length| Body::from(vec![b' '; length]));
    let mut slow: Vec<_> = (0..6).map(|_| Box::pin(read(begun(2 * SMALL), &room))).collect();
    assert!(slow.iter_mut().all(|one| one.now_or_never().is_none()));
    assert_eq!(room.left(), (COMING - 6 * 2 * SMALL, 1));
    // Two that are judged and wait to be: the second finds no room with the others, and has the place.
    let first = read(body(MAX_BODY / 2), &room).now_or_never().expect("it waits for nobody").unwrap();
    let second = read(body(MAX_BODY), &room).now_or_never().expect("it waits for nobody").unwrap();
    assert_eq!(room.left(), (COMING - 6 * 2 * SMALL - MAX_BODY / 2, 0));
    drop((slow, first, second));
    assert_eq!(room.left(), (COMING, 1));
}

#[tokio::test]
async fn bodies_that_fill_the_room_come_to_their_end_one_after_the_other() {
    let room = Room::new(2 * SMALL, 1);
    // Each holds half of the room, and has more.
    let body = || {
        let parts = [SMALL + 1, SMALL - 1].map(|length| Ok::<_, std::io::Error>(vec![b' '; length]));
        Body::from_stream(futures_util::stream::iter(parts).then(async |part| {
            tokio::task::yield_now().await;
            part
        }))
    };
    let read = async || read(body(), &room).await.map(|(whole, _)| whole.len());
    let all = futures_util::future::join_all((0..5).map(|_| read())).await;
    assert!(all.into_iter().all(|read| read.is_ok_and(|length| length == 2 * SMALL)));
    assert_eq!(room.left(), (2 * SMALL, 1));
}

/// JSON of any shape, some of it nearly what it should be.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("CREATE".to_owned()),
        Just("whole".to_owned()),
        Just(document(CONTRACT)),
        ".{0,20}",
        "(a: |- |\\[|\\{|\n|\"|&a|\\*a|!!t ){0,12}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    let key = prop_oneof![
        Just("a.yaml".to_owned()),
        Just("data".to_owned()),
        Just("metadata".to_owned()),
        Just("annotations".to_owned()),
        Just("binaryData".to_owned()),
        Just("immutable".to_owned()),
        "[a-z./]{0,8}"
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(mut object in any_json(), part in any_json(), at in 0..7usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = answer(&bytes);
        let _ = answer(object.to_string().as_bytes());
        let _ = answer(review("CREATE", &object).to_string().as_bytes());
        // A review in which one part is something else.
        let mut nearly = review("UPDATE", &map(&[("a.yaml", &document(CONTRACT))]));
        let path = ["/request", "/request/kind", "/request/operation", "/request/object", "/request/object/data", "/request/object/metadata", "/request/object/data/a.yaml"];
        if let Some(place) = nearly.pointer_mut(path[at]) {
            *place = part;
        }
        let _ = answer(nearly.to_string().as_bytes());
        // What is text is judged as a policy.
        if let Value::Object(fields) = &mut object {
            fields.retain(|_, value| value.is_string());
            let asked = review("CREATE", &json!({ "data": fields }));
            prop_assert!(answer(asked.to_string().as_bytes()).is_ok());
        }
    }
}
