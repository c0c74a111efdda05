//! Policies that change while requests run.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Ask, DESK, Gate, Seen, denied, seen, until};

fn edit(gate: &Gate, file: &str, from: &str, to: &str) {
    let path = gate.policies().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn an_edit_is_in_force_soon_and_a_broken_one_changes_no_answer() {
    let gate = Gate::start().await;
    let profile = || Ask { host: "id.shop.example", path: "/v1/accounts/4".into(), workload: DESK, ..Ask::order() };
    assert_eq!(seen(&gate.check(&profile()).await), Seen::Allowed);
    edit(&gate, "contracts.yaml", "  profile.read:\n", "");
    until("the edit is in force", || async { seen(&gate.check(&profile()).await) == denied(403, "contract.none") })
        .await;

    edit(&gate, "contracts.yaml", "  contact.update:\n", "  profile.read:\n  contact.updat:\n");
    until("the broken edit is seen", || async {
        gate.metrics().await.contains("tollgate_policy_last_reload_successful 0")
    })
    .await;
    assert_eq!(seen(&gate.check(&profile()).await), denied(403, "contract.none"));
    assert_eq!(gate.health("readiness").await, crate::support::SERVING, "a bad edit makes nobody unready");

    edit(&gate, "contracts.yaml", "  contact.updat:\n", "  contact.update:\n");
    until("the mended edit is in force", || async { seen(&gate.check(&profile()).await) == Seen::Allowed }).await;
    gate.end().await;
}

#[tokio::test]
async fn every_answer_comes_from_one_bundle_while_they_are_swapped() {
    let gate = Arc::new(Gate::start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    // In one bundle the action has another name, and its tier another level: no answer may mix the two.
    let load = tokio::spawn({
        let (gate, stop, asked) = (Arc::clone(&gate), Arc::clone(&stop), Arc::clone(&asked));
        async move {
            let mut client = gate.client().await;
            while !stop.load(Ordering::SeqCst) {
                let answer = client.check(Ask::order().to_wire()).await.unwrap().into_inner();
                let fields = answer.dynamic_metadata.unwrap().fields;
                let text = |name: &str| match fields[name].kind.as_ref() {
                    Some(envoy_types::pb::google::protobuf::value::Kind::StringValue(text)) => text.clone(),
                    other => panic!("{other:?}"),
                };
                let pair = (text("action"), text("tier"));
                assert!(
                    pair == ("order.read".into(), "personal".into())
                        || pair == ("order.look".into(), "sensitive".into()),
                    "{pair:?}"
                );
                asked.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    for round in 0..6 {
        let (from, to) = if round % 2 == 0 { ("order.read", "order.look") } else { ("order.look", "order.read") };
        let (tier_from, tier_to) = if round % 2 == 0 { ("personal", "sensitive") } else { ("sensitive", "personal") };
        let before = gate.metrics().await;
        edit(&gate, "contracts.yaml", &format!("  {from}:"), &format!("  {to}:"));
        edit(&gate, "cases.yaml", from, to);
        edit(
            &gate,
            "services.yaml",
            &format!("  {from}:\n    tier: {tier_from}"),
            &format!("  {to}:\n    tier: {tier_to}"),
        );
        let digest =
            |text: &str| text.lines().find(|line| line.starts_with("tollgate_policy_info{")).map(str::to_owned);
        until("the swap", || async {
            let now = gate.metrics().await;
            digest(&now) != digest(&before) && now.contains("tollgate_policy_last_reload_successful 1")
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    load.await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > 20);
    Arc::into_inner(gate).unwrap().end().await;
}
