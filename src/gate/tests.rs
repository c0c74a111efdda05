//! What is granted, what is not, and which reason wins.

mod changed;
mod grammar;
mod obligations;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bundle;
use crate::facts::{Metadata, Told};
use crate::yaml::SourceFile;

const GROUND: &str = r#"
apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: { name: i }
workload: { from: [mtls], trustDomains: [d] }
user: { from: "metadata:jwt/claims", map: { roles: /roles } }
purpose: { header: tollgate-purpose }
channel: { header: x-channel, trustedFrom: ["spiffe://d/ivr"], ceilings: { voice: personal } }
"#;

const SERVICE: &str = r#"
apiVersion: tollgate.dev/v1alpha1
kind: Service
metadata: { name: s }
hosts: [a.example]
actions:
  open.read: { tier: open, routes: [{ http: GET /open }] }
  order.read: { tier: personal, routes: [{ http: "GET /orders/{order}" }], requestHeaders: { remove: [authorization] } }
  order.count: { tier: sensitive, inputs: { n: integer }, routes: [{ http: GET /count, at: { n: query } }], limit: { n: 100 } }
  order.cancel: { tier: impact, routes: [{ http: POST /cancel }] }
  order.wipe: { tier: critical, routes: [{ http: POST /wipe }] }
  order.body: { tier: open, inputs: { n: integer }, routes: [{ http: POST /body, at: { n: "body:/n" } }] }
"#;

fn contract(name: &str, who: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: tollgate.dev/v1alpha1\nkind: Contract\nmetadata: {{ name: {name} }}\nwho: {who}\n{rest}\n"
    )
}

fn desk() -> String {
    let actions = "actions: { order.read: , order.count: { limit: { n: 10 } }, order.cancel: , order.wipe: }";
    contract(
        "desk",
        "{ workload: [\"spiffe://d/desk\"], user: { anyRole: [agent] } }",
        &format!("purposes: [support]\n{actions}\nretain: {{ for: 1d, cache: no-store }}"),
    )
}

fn load(parts: &[&str]) -> Bundle {
    let text = parts.join("\n---\n");
    bundle::load(&[SourceFile { name: "t".into(), text }]).map_err(|problems| problems.to_string()).unwrap().bundle
}

fn standard() -> Bundle {
    let anyone = contract("anyone", "anyone", "purposes: [service]\nactions: { open.read: , order.body: }");
    load(&[GROUND, SERVICE, &desk(), &anyone])
}

/// Somebody who asks, with sensible defaults: the desk with its agent.
struct Ask<'a> {
    method: &'a str,
    path: &'a str,
    workload: &'a str,
    claims: Value,
    headers: Vec<(&'a str, &'a str)>,
    hides_no_header: bool,
}

impl<'a> Ask<'a> {
    fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            workload: "spiffe://d/desk",
            claims: json!({ "sub": "ada", "roles": ["agent"] }),
            headers: vec![],
            hides_no_header: false,
        }
    }

    fn post(path: &'a str) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    fn plan<'b>(&self, bundle: &'b Bundle) -> Plan<'b> {
        let given = json!({ "jwt": { "claims": self.claims } });
        let metadata = if self.claims.is_null() { Metadata::Null } else { Metadata::from(&given) };
        let told = Told {
            method: self.method,
            host: "a.example",
            path: self.path,
            headers: self.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
            hides_no_header: self.hides_no_header,
            principal: self.workload,
            metadata,
            ..Told::default()
        };
        let pseudonyms = Pseudonyms::for_cases();
        let now = Timestamp::constant(1_000_000, 0);
        plan(
            bundle,
            &Facts::read(told),
            &Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms },
        )
    }

    fn reason(&self, bundle: &Bundle) -> Reason {
        self.plan(bundle).summary.reason
    }
}

fn signed_in(acr: &str, seconds_ago: i64) -> Value {
    json!({ "sub": "ada", "roles": ["agent"], "acr": acr, "auth_time": 1_000_000 - seconds_ago })
}

#[test]
fn nothing_is_granted_without_a_contract() {
    let bundle = load(&[GROUND, SERVICE]);
    assert_eq!(Ask::get("/orders/7").reason(&bundle), Reason::ContractNone);
    assert_eq!(Ask::get("/open").reason(&bundle), Reason::ContractNone);
}

#[test]
fn a_record_names_no_more_contracts_than_the_ledger_takes() {
    let who = "{ workload: [\"spiffe://d/desk\"], user: { anyRole: [agent] } }";
    let many: Vec<_> =
        (0..40).map(|n| contract(&format!("c{n}"), who, "purposes: [support]\nactions: { order.read: }")).collect();
    let mut parts = vec![GROUND, SERVICE];
    parts.extend(many.iter().map(String::as_str));
    let bundle = load(&parts);
    let plan = Ask::get("/orders/7").plan(&bundle);
    assert_eq!((plan.summary.reason, plan.decision().contracts.len()), (Reason::Granted, 32));
}

#[test]
fn everyone_who_stands_behind_a_call_must_be_covered() {
    let bundle = standard();
    let reason = |workload: &str, claims: Value| Ask { workload, claims, ..Ask::get("/orders/7") }.reason(&bundle);
    let agent = json!({ "sub": "ada", "roles": ["agent"] });
    assert_eq!(reason("spiffe://d/desk", agent.clone()), Reason::Granted);
    assert_eq!(reason("spiffe://d/other", agent.clone()), Reason::ContractNone);
    assert_eq!(reason("spiffe://d/desk", json!({ "sub": "ada", "roles": ["cook"] })), Reason::ContractNone);
    assert_eq!(reason("spiffe://d/desk", Value::Null), Reason::ContractNone);
    // A confused deputy: everything is covered but the agent in between.
    assert_eq!(
        reason("spiffe://d/desk", json!({ "sub": "ada", "roles": ["agent"], "act": { "sub": "bot" } })),
        Reason::ContractNone
    );
    assert_eq!(reason("", agent.clone()), Reason::CallerUnknown);
    assert_eq!(reason("spiffe://foreign/desk", agent), Reason::CallerUnknown);
    assert_eq!(reason("spiffe://d/desk", json!({ "roles": ["agent"] })), Reason::CallerUnknown);
}

#[test]
fn parties_may_be_covered_by_one_contract_or_by_several() {
    let machine =
        contract("machine", "{ workload: [\"spiffe://d/*\"] }", "purposes: [support]\nactions: { order.read: }");
    let person = contract("person", "{ user: { anyRole: [agent] } }", "purposes: [support]\nactions: { order.read: }");
    let bot = contract("bot", "{ agent: [bot] }", "purposes: [support]\nactions: { order.read: }");
    let both = load(&[GROUND, SERVICE, &machine, &person]);
    assert_eq!(Ask::get("/orders/7").reason(&both), Reason::Granted);
    let claims = json!({ "sub": "ada", "roles": ["agent"], "act": { "sub": "bot" } });
    let delegated = || Ask { claims: claims.clone(), ..Ask::get("/orders/7") };
    assert_eq!(delegated().reason(&both), Reason::ContractNone);
    let all = load(&[GROUND, SERVICE, &machine, &person, &bot]);
    assert_eq!(delegated().plan(&all).decision().contracts, ["bot", "machine", "person"]);
    assert_eq!(Ask::get("/orders/7").reason(&load(&[GROUND, SERVICE, &machine])), Reason::ContractNone);
}

#[test]
fn an_open_action_is_for_anyone_only_where_a_contract_says_so() {
    let bundle = standard();
    let nobody = Ask { workload: "", claims: Value::Null, ..Ask::get("/open") };
    assert_eq!(nobody.reason(&bundle), Reason::Granted);
    let broken = Ask { workload: "garbage", claims: json!("garbage"), ..Ask::get("/open") };
    assert_eq!(broken.reason(&bundle), Reason::Granted);
    // Someone unproven is covered by no contract about parties, whatever the tier.
    let named = contract("named", "{ workload: [\"spiffe://d/desk\"] }", "purposes: [a]\nactions: { open.read: }");
    let bundle = load(&[GROUND, SERVICE, &named]);
    assert_eq!(Ask { claims: Value::Null, ..Ask::get("/open") }.reason(&bundle), Reason::Granted);
    assert_eq!(Ask { claims: json!("garbage"), ..Ask::get("/open") }.reason(&bundle), Reason::CallerUnknown);
    assert_eq!(Ask { workload: "", claims: Value::Null, ..Ask::get("/open") }.reason(&bundle), Reason::CallerUnknown);
}

#[test]
fn an_assured_sign_in_is_strong_and_recent_and_known() {
    let bundle = standard();
    let reason = |claims: Value| Ask { claims, ..Ask::post("/wipe") }.reason(&bundle);
    assert_eq!(reason(signed_in("mfa", 300)), Reason::Granted);
    assert_eq!(reason(signed_in("phr", 0)), Reason::Granted);
    assert_eq!(reason(signed_in("mfa", -60)), Reason::Granted, "a clock may run a minute behind");
    for claims in [
        signed_in("mfa", 301),
        signed_in("pwd", 0),
        signed_in("MFA", 0),
        signed_in("mfa", -61),
        json!({ "sub": "ada", "roles": ["agent"], "acr": "mfa" }),
        json!({ "sub": "ada", "roles": ["agent"], "auth_time": 1_000_000 }),
    ] {
        assert_eq!(reason(claims.clone()), Reason::AssuranceRequired, "{claims}");
    }
    let plan = Ask { claims: signed_in("pwd", 0), ..Ask::post("/wipe") }.plan(&bundle);
    assert!(plan.challenge.is_some_and(|challenge| challenge.acr == ["mfa", "phr"]));
}

#[test]
fn a_challenge_is_not_shown_to_those_who_have_no_contract() {
    let bundle = standard();
    let plan = Ask { workload: "spiffe://d/other", claims: signed_in("pwd", 0), ..Ask::post("/wipe") }.plan(&bundle);
    assert_eq!(plan.summary.reason, Reason::ContractNone);
    assert!(plan.challenge.is_none());
}

#[test]
fn a_purpose_is_declared_by_the_call_or_the_only_one() {
    let two = contract(
        "desk",
        "{ workload: [\"spiffe://d/desk\"] }",
        "purposes: [analytics, support]\nactions: { order.read: , order.count: }",
    );
    let bundle = load(&[GROUND, SERVICE, &two]);
    let plan = |path, purpose: Option<&'static str>| {
        let headers = purpose.map(|purpose| ("tollgate-purpose", purpose)).into_iter().collect();
        Ask { claims: Value::Null, headers, ..Ask::get(path) }.plan(&bundle)
    };
    assert_eq!(plan("/count?n=1", None).summary.reason, Reason::PurposeUndeclared);
    assert_eq!(plan("/count?n=1", Some("support")).decision().purpose, "support");
    assert_eq!(plan("/count?n=1", Some("analytics.reporting")).summary.reason, Reason::Granted);
    assert_eq!(plan("/count?n=1", Some("marketing")).summary.reason, Reason::ContractPurpose);
    assert_eq!(plan("/count?n=1", Some("support,analytics")).summary.reason, Reason::PurposeUndeclared);
    // A tier that demands no purpose does not need one, but one that is there must be clear and granted.
    assert_eq!(plan("/orders/7", None).summary.reason, Reason::Granted);
    assert_eq!(plan("/orders/7", Some("marketing")).summary.reason, Reason::ContractPurpose);
    assert_eq!(plan("/orders/7", Some("no purpose")).summary.reason, Reason::PurposeUndeclared);
}

#[test]
fn limits_of_the_action_and_of_the_contract_both_hold() {
    let bundle = standard();
    let reason = |path| Ask::get(path).reason(&bundle);
    assert_eq!(reason("/count?n=10"), Reason::Granted);
    assert_eq!(reason("/count?n=11"), Reason::LimitExceeded);
    assert_eq!(reason("/count?n=101"), Reason::LimitExceeded);
    assert_eq!(reason("/count?n=-1"), Reason::LimitExceeded);
    assert_eq!(reason("/count"), Reason::InputMissing);
    assert_eq!(reason("/count?n=1&n=1"), Reason::QueryAmbiguous);
    // Any contract whose limits hold is enough.
    let more = contract(
        "more",
        "{ workload: [\"spiffe://d/desk\"], user: { anyRole: [agent] } }",
        "purposes: [support]\nactions: { order.count: { limit: { n: 50 } } }",
    );
    let both = load(&[GROUND, SERVICE, &desk(), &more]);
    assert_eq!(Ask::get("/count?n=50").plan(&both).decision().contracts, ["more"]);
    assert_eq!(Ask::get("/count?n=51").reason(&both), Reason::LimitExceeded);
}

#[test]
fn a_channel_keeps_a_call_below_its_ceiling() {
    let ivr = contract(
        "ivr",
        "{ workload: [\"spiffe://d/ivr\"] }",
        "purposes: [support]\nactions: { order.read: , order.count: }",
    );
    let bundle = load(&[GROUND, SERVICE, &ivr]);
    let reason = |path, headers: Vec<(&'static str, &'static str)>| {
        Ask { workload: "spiffe://d/ivr", claims: Value::Null, headers, ..Ask::get(path) }.reason(&bundle)
    };
    assert_eq!(reason("/orders/7", vec![("x-channel", "voice")]), Reason::Granted);
    assert_eq!(reason("/count?n=1", vec![("x-channel", "voice")]), Reason::ChannelCeiling);
    assert_eq!(reason("/count?n=1", vec![("x-channel", "app")]), Reason::Granted);
    assert_eq!(reason("/count?n=1", vec![]), Reason::ChannelCeiling);
}

#[test]
fn an_action_that_needs_a_body_is_denied_with_its_reason() {
    assert_eq!(Ask::post("/body").reason(&standard()), Reason::BodyUnavailable);
}

#[test]
fn observing_relaxes_what_it_is_said_to_and_nothing_else() {
    let observed = |text: &str| text.replace("hosts: [a.example]", "hosts: [a.example]\nmode: observe");
    let check = |bundle: &Bundle, ask: &Ask<'_>, reason: Reason, passes: bool| {
        let plan = ask.plan(bundle);
        assert_eq!(plan.summary.reason, reason);
        assert_eq!(plan.passes, passes, "{reason:?}");
        let mode = if passes { Mode::Observe } else { Mode::Enforce };
        assert_eq!(plan.summary.mode, mode, "{reason:?}");
    };
    // The service's rules.
    let service = load(&[GROUND, &observed(SERVICE), &desk()]);
    check(&service, &Ask { workload: "spiffe://d/other", ..Ask::get("/orders/7") }, Reason::ContractNone, true);
    check(&service, &Ask { workload: "", ..Ask::get("/orders/7") }, Reason::CallerUnknown, true);
    check(&service, &Ask::get("/nowhere"), Reason::Unmapped, true);
    check(&service, &Ask::get("/count?n=11"), Reason::LimitExceeded, true);
    check(&service, &Ask::get("/orders//7"), Reason::PathEmptySegment, false);
    check(&service, &Ask::get("/count?n=1&n=2"), Reason::QueryAmbiguous, false);
    check(&service, &Ask { workload: "", ..Ask::get("/count?n=1&n=2") }, Reason::QueryAmbiguous, false);
    // A contract's rules.
    let contract = load(&[GROUND, SERVICE, &desk().replace("retain:", "mode: observe\nretain:")]);
    check(&contract, &Ask::get("/count?n=11"), Reason::LimitExceeded, true);
    check(
        &contract,
        &Ask { headers: vec![("tollgate-purpose", "marketing")], ..Ask::get("/orders/7") },
        Reason::ContractPurpose,
        true,
    );
    check(&contract, &Ask::get("/count?n=101"), Reason::LimitExceeded, false);
    check(&contract, &Ask { workload: "spiffe://d/other", ..Ask::get("/orders/7") }, Reason::ContractNone, false);
    check(&contract, &Ask::post("/cancel"), Reason::AssuranceRequired, false);
    // Everything.
    let defaults = "apiVersion: tollgate.dev/v1alpha1\nkind: Defaults\nmetadata: { name: d }\nmode: observe";
    let all = load(&[GROUND, SERVICE, &desk(), defaults]);
    check(&all, &Ask::get("/orders//7"), Reason::PathEmptySegment, true);
    check(&all, &Ask::post("/wipe"), Reason::AssuranceRequired, true);
    check(&all, &Ask::get("/nowhere"), Reason::Unmapped, true);
}

#[test]
fn a_contract_on_trial_does_not_relax_one_that_is_in_force() {
    let trial = contract(
        "trial",
        "{ user: { anyRole: [agent] } }",
        "purposes: [support]\nmode: observe\nactions: { order.count: { limit: { n: 1 } } }",
    );
    let force = contract(
        "force",
        "{ workload: [\"spiffe://d/desk\"] }",
        "purposes: [support]\nactions: { order.count: { limit: { n: 5 } } }",
    );
    let bundle = load(&[GROUND, SERVICE, &trial, &force]);
    assert!(Ask::get("/count?n=5").plan(&bundle).passes, "only the trial's limit is exceeded");
    assert!(!Ask::get("/count?n=6").plan(&bundle).passes, "both are");
}

#[test]
fn no_answer_without_its_receipt() {
    let bundle = standard();
    let wipe = || Ask { claims: signed_in("mfa", 0), ..Ask::post("/wipe") }.plan(&bundle);
    assert_eq!(wipe().durability, Durability::WriteAhead);
    assert!(matches!(settle(wipe(), Recorded::Yes), Settled::Pass(_)));
    assert!(matches!(
        settle(wipe(), Recorded::No),
        Settled::Refuse(Refusal { reason: Reason::ReceiptUnavailable, .. })
    ));
    assert!(matches!(
        settle(wipe(), Recorded::Late),
        Settled::Refuse(Refusal { reason: Reason::DeadlineExceeded, .. })
    ));
    // A denial stands: an error is what some operators let pass.
    let denied = || Ask { workload: "spiffe://d/other", ..Ask::post("/cancel") }.plan(&bundle);
    assert_eq!(denied().durability, Durability::Durable);
    for recorded in [Recorded::No, Recorded::Late] {
        assert!(matches!(settle(denied(), recorded), Settled::Refuse(Refusal { reason: Reason::ContractNone, .. })));
    }
    // Lower tiers go on, and the loss is counted elsewhere.
    assert!(matches!(settle(Ask::get("/orders/7").plan(&bundle), Recorded::No), Settled::Pass(_)));
}

#[test]
fn nothing_personal_stands_in_a_record() {
    let bundle = standard();
    let claims = json!({ "sub": "ada@example.com", "roles": ["agent"], "act": { "sub": "bot-of-ada" } });
    let plan = Ask { claims, headers: vec![("cookie", "secret")], ..Ask::get("/orders/4711?email=ada@example.com") }
        .plan(&bundle);
    let bytes = &plan.record;
    let seen = format!("{} {:?} {:?}", String::from_utf8_lossy(bytes), plan.decision(), plan.summary);
    for personal in ["ada", "4711", "secret", "bot-of", "email"] {
        assert!(!seen.contains(personal), "{personal} in {seen}");
    }
    assert!(seen.contains("order.read") && seen.contains("GET /orders/{order}"));
}

fn arbitrary_ask() -> impl Strategy<Value = (String, String, String, Option<String>, Vec<(String, String)>)> {
    let path = prop_oneof![
        "/(orders/[0-9a-z]{1,3}|open|count\\?n=[0-9]{1,3}|cancel|wipe|body|nowhere)",
        "(/|%|[a-z0-9.;?#]){0,12}"
    ];
    let header = (
        prop_oneof![Just("tollgate-purpose".to_owned()), Just("x-channel".to_owned()), "[a-z_-]{1,8}"],
        "[a-z.,]{0,10}",
    );
    let workload = prop_oneof![
        Just(String::new()),
        Just("spiffe://d/desk".to_owned()),
        Just("spiffe://d/ivr".to_owned()),
        ".{0,8}"
    ];
    (
        "(GET|POST|PUT|[A-Z]{1,4})",
        path,
        workload,
        prop::option::of("(agent|cook|[a-z]{0,4})"),
        prop::collection::vec(header, 0..4),
    )
}

proptest! {
    #[test]
    fn nothing_unparsed_or_uncovered_is_granted((method, path, workload, role, headers) in arbitrary_ask()) {
        let claims = role.map_or(Value::Null, |role| json!({ "sub": "ada", "roles": [role] }));
        let ask = Ask { method: &method, path: &path, workload: &workload, claims, headers: headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(), hides_no_header: false };
        let (bundle, bare) = (standard(), load(&[GROUND, SERVICE]));
        let with = ask.plan(&bundle);
        if with.passes {
            prop_assert!(!with.summary.action.is_empty() && !with.decision().contracts.is_empty());
        }
        // Without a contract nothing is: taking contracts away never adds an allow.
        let without = ask.plan(&bare);
        prop_assert!(!without.passes);
    }
}
