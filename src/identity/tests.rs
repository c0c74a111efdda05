//! Which proofs are believed, and what becomes of those that are not.

use serde_json::json;

use super::*;
use crate::facts::{Metadata, Told};
use crate::terms::Tier;

fn identity() -> Identity {
    Identity {
        workload: Some(WorkloadRule {
            from: vec![WorkloadSource::Mtls, WorkloadSource::Xfcc],
            trust_domains: vec!["cluster.local".parse().unwrap()],
        }),
        user: Some(UserRule {
            namespace: "jwt".into(),
            key: "claims".into(),
            id: "/sub".parse().unwrap(),
            roles: Some("/roles".parse().unwrap()),
            actor: Some("/act".parse().unwrap()),
            acr: Some("/acr".parse().unwrap()),
            auth_time: Some("/auth_time".parse().unwrap()),
            purpose: Some("/purpose".parse().unwrap()),
            tenant: None,
        }),
        purpose_header: Some("tollgate-purpose".into()),
        channel: Some(ChannelRule {
            header: "x-channel".into(),
            trusted_from: vec!["spiffe://cluster.local/ivr".parse().unwrap()],
            ceilings: [("voice".to_owned(), Tier::Sensitive), ("kiosk".to_owned(), Tier::Open)].into(),
        }),
        credentials: vec![],
        autonomous: vec!["spiffe://cluster.local/agents/*".parse().unwrap()],
    }
}

#[expect(clippy::needless_pass_by_value, reason = "calls read better")]
fn caller(principal: &str, headers: &[(&str, &str)], claims: Value) -> Caller {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let given = json!({ "jwt": { "claims": claims } });
    let metadata = if claims.is_null() { Metadata::Null } else { Metadata::from(&given) };
    identity().read(&Facts::read(Told { principal, headers, metadata, ..Told::default() }))
}

use serde_json::Value;

const DESK: &str = "spiffe://cluster.local/desk";
const IVR: &str = "spiffe://cluster.local/ivr";

#[test]
fn a_workload_is_known_by_its_certificate_in_our_trust_domain() {
    assert_eq!(caller(DESK, &[], Value::Null).workload.proven().unwrap().as_str(), DESK);
    assert_eq!(caller("", &[], Value::Null).workload, Proof::Absent);
    for broken in [
        "desk",
        "spiffe://other.local/desk",
        "spiffe://cluster.local",
        "CN=desk",
        "spiffe://cluster.local/a,spiffe://cluster.local/b",
    ] {
        let caller = caller(broken, &[], Value::Null);
        assert!(matches!(caller.workload, Proof::Broken(_)) && !caller.is_known(), "{broken}");
    }
}

#[test]
fn the_forwarded_certificate_counts_only_as_one_element_with_one_uri() {
    let workload = |xfcc: &str| caller("", &[("x-forwarded-client-cert", xfcc)], Value::Null).workload;
    let desk = Proof::Proven(DESK.parse().unwrap());
    assert_eq!(workload(&format!("By=spiffe://cluster.local/gw;Hash=ab;URI={DESK}")), desk);
    assert_eq!(
        workload(&format!("Hash=ab;Subject=\"CN=a,O=\\\"b;URI=spiffe://cluster.local/x\";URI={DESK};DNS=a")),
        desk
    );
    for broken in [
        format!("URI={IVR},URI={DESK}"),
        format!("URI={IVR};URI={DESK}"),
        format!("URI={DESK},By=x"),
        "Hash=ab".to_owned(),
        "Subject=\"open".to_owned(),
        "garbage".to_owned(),
        format!("URI={DESK};"),
        String::new(),
    ] {
        assert!(matches!(workload(&broken), Proof::Broken(_)), "{broken}");
    }
}

#[test]
fn the_certificate_of_the_connection_comes_before_the_header_and_is_not_replaced_by_it() {
    let xfcc = format!("URI={DESK}");
    let headers = [("x-forwarded-client-cert", xfcc.as_str())];
    assert_eq!(caller(IVR, &headers, Value::Null).workload, Proof::Proven(IVR.parse().unwrap()));
    assert!(matches!(caller("not-a-spiffe-id", &headers, Value::Null).workload, Proof::Broken(_)));
}

#[test]
fn a_header_proves_nothing_where_the_operator_did_not_say_so() {
    let mut identity = identity();
    identity.workload.as_mut().unwrap().from = vec![WorkloadSource::Mtls];
    let xfcc = format!("URI={DESK}");
    let told = Told { headers: vec![("x-forwarded-client-cert", xfcc.as_bytes())], ..Told::default() };
    assert_eq!(identity.read(&Facts::read(told)).workload, Proof::Absent);
}

#[test]
fn a_user_with_a_token_and_no_workload_is_not_known_where_workloads_are_expected() {
    assert!(!caller("", &[], json!({ "sub": "u" })).is_known());
    assert!(caller(DESK, &[], json!({ "sub": "u" })).is_known());
    assert!(caller(DESK, &[], Value::Null).is_known());
    assert!(!caller("", &[], Value::Null).is_known());
}

#[test]
fn the_chain_of_agents_is_read_outermost_first() {
    let claims = json!({ "sub": "u", "roles": ["customer"], "act": { "sub": "b", "act": { "sub": "a" } }, "acr": "mfa", "auth_time": 1_700_000_000.0 });
    let caller = caller(DESK, &[], claims);
    let user = caller.user.proven().unwrap();
    let agents: Vec<_> = user.agents.iter().map(|agent| agent.expose().as_str()).collect();
    assert_eq!(agents, ["b", "a"]);
    assert_eq!((user.acr.as_deref(), user.auth_time), (Some("mfa"), Some(1_700_000_000)));
    assert_eq!(caller.automation, Automation::Assisted);
}

#[test]
fn a_claim_in_a_form_that_is_not_its_own_breaks_the_whole_proof() {
    let mut deep = json!({ "sub": "x" });
    for _ in 0..9 {
        deep = json!({ "sub": "x", "act": deep });
    }
    for claims in [
        json!("text"),
        json!([]),
        json!({}),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": " u" }),
        json!({ "sub": "u\u{0}" }),
        json!({ "sub": "u".repeat(257) }),
        json!({ "sub": "u", "roles": "admin" }),
        json!({ "sub": "u", "roles": [1] }),
        json!({ "sub": "u", "act": "agent" }),
        json!({ "sub": "u", "act": {} }),
        json!({ "sub": "u", "act": null }),
        json!({ "sub": "u", "act": { "sub": "a", "act": [] } }),
        json!({ "sub": "u", "act": deep }),
        json!({ "sub": "u", "acr": 1 }),
        json!({ "sub": "u", "auth_time": "1700000000" }),
        json!({ "sub": "u", "auth_time": 1.5 }),
        json!({ "sub": "u", "auth_time": -1 }),
        json!({ "sub": "u", "auth_time": 1e300 }),
        json!({ "sub": "u", "purpose": ["a"] }),
    ] {
        let caller = caller(DESK, &[], claims.clone());
        assert!(matches!(caller.user, Proof::Broken(_)) && !caller.is_known(), "{claims}");
    }
}

#[test]
fn a_purpose_is_declared_where_all_who_declare_one_agree() {
    let purpose = |header: Option<&str>, claim: Value| {
        let headers: Vec<_> = header.map(|value| ("tollgate-purpose", value)).into_iter().collect();
        let mut claims = json!({ "sub": "u" });
        if !claim.is_null() {
            claims["purpose"] = claim;
        }
        caller(DESK, &headers, claims).purpose
    };
    let one = |text: &str| Declared::One(text.parse().unwrap());
    assert_eq!(purpose(None, Value::Null), Declared::Nothing);
    assert_eq!(purpose(Some("a.b"), Value::Null), one("a.b"));
    assert_eq!(purpose(None, json!("a.b")), one("a.b"));
    assert_eq!(purpose(Some("a.b"), json!("a.b")), one("a.b"));
    assert_eq!(purpose(Some("a.b"), json!("a")), Declared::Unclear);
    assert_eq!(purpose(Some("a.b,a.c"), Value::Null), Declared::Unclear);
    assert_eq!(purpose(Some(""), Value::Null), Declared::Unclear);
}

#[test]
fn trust_is_needed_to_raise_what_a_channel_may_do_and_never_to_lower_it() {
    let channel = |principal, value: Option<&str>| {
        let headers: Vec<_> = value.map(|value| ("x-channel", value)).into_iter().collect();
        caller(principal, &headers, Value::Null).channel
    };
    let is = |name: Option<&str>, ceiling| Channel { name: name.map(str::to_owned), ceiling };
    assert_eq!(channel(IVR, Some("voice")), is(Some("voice"), Some(Tier::Sensitive)));
    assert_eq!(channel(IVR, Some("app")), is(Some("app"), None));
    assert_eq!(channel(DESK, Some("voice")), is(None, Some(Tier::Sensitive)));
    assert_eq!(channel(DESK, Some("app")), is(None, None));
    assert_eq!(channel(DESK, None), is(None, None));
    // The workload that always knows the channel does not escape by leaving it out, twisting it or naming two.
    for evasion in [None, Some("app,voice"), Some("Voice"), Some("")] {
        assert_eq!(channel(IVR, evasion), is(None, Some(Tier::Open)), "{evasion:?}");
    }
}

#[test]
fn automation_is_what_the_operator_named_or_the_token_shows() {
    assert_eq!(
        caller("spiffe://cluster.local/agents/x", &[], json!({ "sub": "u" })).automation,
        Automation::Autonomous
    );
    assert_eq!(caller(DESK, &[], json!({ "sub": "u" })).automation, Automation::Human);
    assert_eq!(caller(DESK, &[], Value::Null).automation, Automation::Unknown);
}
