//! Conditions, guardrails, overrides, bodies and operations: what they may change, and what they never may.

use super::*;
use crate::bundle::Case;
use crate::facts::Given;
use crate::gate::cases;

const MANY: &str = r"
apiVersion: tollgate.dev/v1alpha1
kind: Service
metadata: { name: m }
hosts: [a.example]
actions:
  note.read: { tier: personal, inputs: { n: { type: integer, optional: true } }, routes: [{ http: GET /notes, at: { n: query } }, { mcp: read_note, at: { n: argument } }, { graphql: query note, at: { n: argument } }], returns: { /card: user.financial.card } }
  note.drop: { tier: impact, routes: [{ mcp: drop_note }, { graphql: mutation dropNote }] }
";

fn desk_may(grants: &str) -> String {
    let who = "{ workload: [\"spiffe://d/desk\"], user: { anyRole: [agent] } }";
    contract("notes", who, &format!("purposes: [support]\nactions: {{ {grants} }}"))
}

fn guardrail(name: &str, on: &str, then: &str) -> String {
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Guardrail\nmetadata: {{ name: {name} }}\non: {on}\nthen: {then}\n"
    )
}

/// What a body is found to be at a path.
fn post<'b>(bundle: &'b Bundle, path: &str, body: &str) -> Plan<'b> {
    let metadata = json!({ "jwt": { "claims": signed_in("mfa", 10) } });
    let told = Told {
        method: "POST",
        host: "a.example",
        path,
        headers: vec![("content-type", b"application/json")],
        body: Given::Bytes(body.as_bytes()),
        principal: "spiffe://d/desk",
        metadata: (&metadata).into(),
        ..Told::default()
    };
    let pseudonyms = Pseudonyms::for_cases();
    let now = Timestamp::constant(1_000_000, 0);
    plan(bundle, &Facts::read(told), &Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms })
}

#[test]
fn a_condition_that_mentions_what_is_not_known_grants_nothing() {
    for condition in ["inputs.n < 5", "!(inputs.n < 5)", "inputs.n < 5 || request.method == 'GET'"] {
        let bundle = load(&[GROUND, MANY, &desk_may(&format!("note.read: {{ when: \"{condition}\" }}"))]);
        assert_eq!(Ask::get("/notes").reason(&bundle), Reason::ConditionUnknown, "{condition}");
    }
    let bundle = load(&[GROUND, MANY, &desk_may("note.read: { when: \"inputs.n < 5\" }")]);
    assert_eq!(Ask::get("/notes?n=4").reason(&bundle), Reason::Granted);
    assert_eq!(Ask::get("/notes?n=5").reason(&bundle), Reason::ConditionFalse);
}

#[test]
fn a_guardrail_that_looks_at_what_is_not_known_fires() {
    let with = |on: &str, then: &str| load(&[GROUND, MANY, &desk_may("note.read:"), &guardrail("g", on, then)]);
    let deny = with("{ action: note.read, when: \"inputs.n > 5\" }", "deny");
    assert_eq!(Ask::get("/notes").reason(&deny), Reason::GuardrailDenied);
    assert_eq!(Ask::get("/notes?n=5").reason(&deny), Reason::Granted);
    assert_eq!(Ask::get("/notes?n=6").reason(&deny), Reason::GuardrailDenied);
    let never = with("{ tier: personal }", "{ never: [user.financial] }");
    assert_eq!(Ask::get("/notes").reason(&never), Reason::GuardrailNever);
    let other = with("{ tier: personal, purpose: analytics }", "{ never: [user.financial] }");
    assert_eq!(Ask::get("/notes").reason(&other), Reason::Granted, "the contract's only purpose is another one");
    let sign_in = with("{ tier: personal }", "{ require: { assurance: { acr: [mfa] } } }");
    assert_eq!(Ask::get("/notes").reason(&sign_in), Reason::AssuranceRequired);
}

#[test]
fn no_mode_of_a_service_or_contract_relaxes_a_guardrail() {
    let observed = MANY.replace("hosts:", "mode: observe\nhosts:");
    let bundle = load(&[GROUND, &observed, &desk_may("note.read:"), &guardrail("g", "{ tier: personal }", "deny")]);
    let plan = Ask::get("/notes").plan(&bundle);
    assert_eq!((plan.summary.reason, plan.summary.mode, plan.passes), (Reason::GuardrailDenied, Mode::Enforce, false));
}

#[test]
fn every_operation_of_a_request_must_be_allowed() {
    let bundle = load(&[GROUND, MANY, &desk_may("note.read:")]);
    let call = |tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
    };
    let reason = |path: &str, body: &str| post(&bundle, path, body).summary.reason;
    assert_eq!(reason("/mcp", &call("read_note")), Reason::Granted);
    assert_eq!(reason("/mcp", &call("drop_note")), Reason::ContractNone);
    assert_eq!(reason("/mcp", &format!("[{},{}]", call("read_note"), call("drop_note"))), Reason::ContractNone);
    assert_eq!(reason("/mcp", &format!("[{},{}]", call("read_note"), call("other"))), Reason::Unmapped);
    assert_eq!(reason("/graphql", r#"{"query":"{ a: note b: note }"}"#), Reason::Granted);
    let both = post(&bundle, "/graphql", r#"{"query":"query A { note } mutation B { dropNote }","operationName":"A"}"#);
    assert_eq!((both.summary.reason, both.summary.action), (Reason::ContractNone, "note.drop"));
    assert_eq!(both.decision().actions, ["note.read", "note.drop"]);
    assert_eq!(both.durability, Durability::Durable, "the most that any of them demands");
}

#[test]
fn an_override_holds_until_its_end_and_the_record_names_it() {
    let of = |expires: &str| {
        format!(
            "---\napiVersion: tollgate.dev/v1alpha1\nkind: Override\nmetadata: {{ name: o, owner: a }}\nreason: b\nexpiresAt: {expires}\nof: {{ contract: notes, action: note.read, set: {{ limit: {{ n: 9 }} }} }}\n"
        )
    };
    let with = |expires: &str| load(&[GROUND, MANY, &desk_may("note.read: { limit: { n: 1 } }"), &of(expires)]);
    let (holds, ended) = (with("1970-01-13T00:00:00Z"), with("1970-01-12T13:46:40Z"));
    let plan = Ask::get("/notes?n=9").plan(&holds);
    assert_eq!((plan.summary.reason, plan.decision().overrides), (Reason::Granted, vec!["o".to_owned()]));
    let plan = Ask::get("/notes?n=9").plan(&ended);
    assert_eq!((plan.summary.reason, plan.decision().overrides), (Reason::LimitExceeded, vec![]));
}

#[test]
fn what_is_unmapped_is_granted_only_to_those_who_are_named() {
    let ground = "---\napiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: d }\nunmapped: { read: { grantTo: [notes] } }\n";
    let bundle = load(&[GROUND, MANY, &desk_may("note.read:"), ground]);
    assert_eq!(Ask::get("/else").reason(&bundle), Reason::Granted);
    assert_eq!(Ask::post("/else").reason(&bundle), Reason::Unmapped);
    assert_eq!(Ask { workload: "spiffe://d/other", ..Ask::get("/else") }.reason(&bundle), Reason::Unmapped);
    assert_eq!(Ask { workload: "", ..Ask::get("/else") }.reason(&bundle), Reason::CallerUnknown);
    assert_eq!(
        Ask { headers: vec![("tollgate-purpose", "other")], ..Ask::get("/else") }.reason(&bundle),
        Reason::Unmapped
    );
}

#[test]
fn the_shipped_cases_hold_with_any_one_contract_less_or_deny_more() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        documents.extend(text.split("\n---\n").map(str::to_owned));
    }
    let (parts, others): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| document.contains("\nkind: Contract\n"));
    assert!(parts.len() > 20);
    let files = vec![SourceFile { name: "others.yaml".into(), text: others.join("\n---\n") }];
    let load = |contracts: String| {
        let mut files = files.clone();
        files.push(SourceFile { name: "contracts.yaml".into(), text: contracts });
        bundle::load(&files).map_err(|problems| problems.to_string()).unwrap()
    };
    let whole = load(parts.join("\n---\n"));
    let passes = |bundle: &Bundle, case: &Case| cases::explain(bundle, &case.asked).0.passes;
    for left_out in 0..parts.len() {
        let others = parts.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, part)| part.as_str());
        let less = load(others.collect::<Vec<_>>().join("\n---\n")).bundle;
        for case in &whole.cases {
            assert!(passes(&whole.bundle, case) || !passes(&less, case), "{}", case.name);
        }
    }
}

/// Guardrails of every sort, about anything.
fn any_guardrail() -> impl Strategy<Value = String> {
    let on = prop_oneof![
        Just("{ tier: [open, personal, sensitive, impact, critical] }"),
        Just("{ action: order.read }"),
        Just("{ tier: personal, purpose: support }"),
        Just("{ tier: [personal, sensitive], when: \"caller.automation == 'human'\" }"),
        Just("{ tier: [open, personal], when: \"caller.acr == 'mfa'\" }"),
        Just("{ action: order.count, when: \"inputs.n > 3\" }"),
    ];
    let then = prop_oneof![
        Just("deny"),
        Just("{ require: { caller: known } }"),
        Just("{ require: { purpose: declared } }"),
        Just("{ require: { assurance: { acr: [mfa], maxAge: 5m } } }"),
        Just("{ never: [user] }"),
    ];
    (on, then).prop_map(|(on, then)| guardrail("g", on, then))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_added_guardrail_makes_an_allow_of_a_denial(
        (method, path, workload, role, headers) in arbitrary_ask(),
        guardrail in any_guardrail(),
    ) {
        let claims = role.map_or(Value::Null, |role| json!({ "sub": "ada", "roles": [role] }));
        let headers = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let ask = Ask { method: &method, path: &path, workload: &workload, claims, headers, hides_no_header: false };
        let anyone = contract("anyone", "anyone", "purposes: [service]\nactions: { open.read: , order.body: }");
        let guarded = load(&[GROUND, SERVICE, &desk(), &anyone, &guardrail]);
        prop_assert!(ask.plan(&standard()).passes || !ask.plan(&guarded).passes);
    }
}
