//! Edits of ConfigMaps, good and bad, and of folders that are no ConfigMaps.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tollgate::yaml::SourceFile;

use super::answers::Load;
use super::volume::{self, Payload, Volume, Written, projected};
use super::{CATALOG, GRANTS, Shop, bot, edit};
use crate::support::{Ask, Gate, SERVING, Seen, Setup, denied, seen, until};

const SLIP: (&str, &str) = ("  contact.update:\n", "  contact.updat:\n");

async fn digest(gate: &Gate) -> String {
    let status: serde_json::Value = serde_json::from_str(&crate::support::get(gate.admin, "/policies").await).unwrap();
    status["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_bad_edit_under_load_changes_no_answer_and_the_good_one_behind_it_is_in_force() {
    let mut shop = Shop::open().await;
    let load = Load::start(&shop.gate);
    load.go_on(200).await;
    let before = digest(&shop.gate).await;
    for round in 1..=3 {
        let good = shop.grants.clone();
        edit(&mut shop.grants, "contracts.yaml", SLIP.0, SLIP.1);
        shop.publish();
        shop.until_seen(false).await;
        // It is there for a while, and looked at again and again.
        load.go_on(400).await;
        assert_eq!(shop.refusals().await, round, "once for each content");
        assert_eq!(shop.gate.health("readiness").await, SERVING, "a bad edit makes nobody unready");
        let line = 1 + good["contracts.yaml"].lines().position(|line| line.starts_with("  contact.update")).unwrap();
        let problems = shop.problems().await;
        assert!(problems[0].starts_with(&format!("grants/contracts.yaml:{line}:3: ")), "{problems:?}");
        assert!(problems[0].contains("contact.updat") && problems[0].contains("did you mean"), "{problems:?}");

        // Mended, with one action more for the bot.
        shop.grants = good;
        let more = format!("  delivery.track:\n  profile.read:{}\n", " ".repeat(usize::try_from(round).unwrap()));
        let text = shop.grants.get_mut("contracts.yaml").unwrap();
        *text = text.replacen("  delivery.track:\n", &more, 1);
        shop.publish();
        let profile = bot("id.shop.example", "/v1/accounts/4");
        until("the good edit is in force", || async { seen(&shop.gate.check(&profile).await) == Seen::Allowed }).await;
        shop.until_seen(true).await;
        assert_eq!(shop.problems().await, [""; 0]);
        let text = shop.grants.get_mut("contracts.yaml").unwrap();
        *text = text.replacen(&more, "  delivery.track:\n", 1);
        shop.publish();
        let taken_back = denied(403, "contract.none");
        until("and taken back", || async { seen(&shop.gate.check(&profile).await) == taken_back }).await;
    }
    assert_eq!(digest(&shop.gate).await, before);
    assert!(load.end().await > 1000);
    shop.end().await;
}

#[tokio::test]
async fn an_edit_of_two_configmaps_at_once_is_in_force_as_one() {
    let mut shop = Shop::open().await;
    let stop = Arc::new(AtomicBool::new(false));
    // An action has another name in one of the bundles, in the catalogue and in the contracts: half of the edit loads nowhere.
    let load = tokio::spawn({
        let (gate, stop) = (Arc::clone(&shop.gate), Arc::clone(&stop));
        async move {
            let mut client = gate.client().await;
            while !stop.load(Ordering::SeqCst) {
                let answer = client.check(Ask::order().to_wire()).await.map(tonic::Response::into_inner);
                assert_eq!(seen(&answer), Seen::Allowed);
            }
        }
    });
    for round in 0..6 {
        let (from, to) = if round % 2 == 0 { ("order.read", "order.look") } else { ("order.look", "order.read") };
        let before = digest(&shop.gate).await;
        edit(&mut shop.catalog, "services.yaml", &format!("  {from}:"), &format!("  {to}:"));
        edit(&mut shop.grants, "contracts.yaml", &format!("  {from}:"), &format!("  {to}:"));
        edit(&mut shop.grants, "cases.yaml", from, to);
        shop.publish();
        until("the edit is in force", || async { digest(&shop.gate).await != before }).await;
    }
    assert_eq!(shop.refusals().await, 0, "nothing was seen in between");
    stop.store(true, Ordering::SeqCst);
    load.await.unwrap();
    shop.end().await;
}

#[tokio::test]
async fn what_a_configmap_granted_ends_with_its_key_and_with_itself() {
    const COURIER: &str = "spiffe://cluster.local/ns/shop/sa/courier";
    let mut shop = Shop::open().await;
    let order = || Ask { workload: COURIER, claims: serde_json::Value::Null, ..Ask::order() };
    let contract = format!(
        "apiVersion: tollgate.dev/v1alpha1\nkind: Contract\nmetadata: {{ name: courier }}\nwho: {{ workload: [\"{COURIER}\"] }}\n\
         purposes: [essential.service.operations.support]\nactions: {{ order.read: {{}} }}\n"
    );
    let nothing = denied(403, "contract.none");
    assert_eq!(seen(&shop.gate.check(&order()).await), nothing);
    // As one more key of a ConfigMap that stays; as a ConfigMap of its own.
    for own in [false, true] {
        let map = if own { &mut shop.guests } else { &mut shop.grants };
        map.insert("courier.yaml".into(), contract.clone());
        shop.publish();
        until("granted", || async { seen(&shop.gate.check(&order()).await) == Seen::Allowed }).await;
        let map = if own { &mut shop.guests } else { &mut shop.grants };
        map.remove("courier.yaml");
        shop.publish();
        until("granted no longer", || async { seen(&shop.gate.check(&order()).await) == nothing }).await;
        assert!(fs::symlink_metadata(shop.gate.policies().join("guests")).is_err(), "no link is left");
    }
    assert_eq!(shop.refusals().await, 0);
    shop.end().await;
}

#[tokio::test]
async fn an_emptied_volume_is_a_bad_edit() {
    let mut shop = Shop::open().await;
    let before = digest(&shop.gate).await;
    assert_eq!(shop.volume.write(&Payload::new()).unwrap(), Written::Swapped);
    shop.until_seen(false).await;
    assert!(shop.problems().await[0].contains("has no `.yaml` file"));
    assert_eq!(seen(&shop.gate.check(&Ask::order()).await), Seen::Allowed);
    assert_eq!((digest(&shop.gate).await, shop.gate.health("readiness").await), (before, SERVING));
    shop.publish();
    shop.until_seen(true).await;
    shop.end().await;
}

#[tokio::test]
async fn a_rename_and_a_write_in_place_are_edits_too() {
    let gate = Gate::start().await;
    let file = gate.policies().join("contracts.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let profile = bot("id.shop.example", "/v1/accounts/4");
    let is = async |expected: Seen| {
        until("the edit is in force", || async { seen(&gate.check(&profile).await) == expected }).await;
    };
    let granted = text.replacen("  delivery.track:\n", "  delivery.track:\n  profile.read:\n", 1);
    fs::write(&file, &granted).unwrap();
    is(Seen::Allowed).await;
    let beside = gate.folder.path().join("contracts.new");
    fs::write(&beside, &text).unwrap();
    fs::rename(&beside, &file).unwrap();
    is(denied(403, "contract.none")).await;
    gate.end().await;
}

/// With `subPath` the kubelet binds one file of the volume as it was: the exchange of `..data` never reaches it.
#[tokio::test]
async fn a_file_that_was_mounted_by_itself_never_changes() {
    let parent = tempfile::TempDir::new().unwrap();
    let mut volume = Volume::new(&parent.path().join("volume")).unwrap();
    let mut payload = volume::read(&crate::support::shipped()).unwrap();
    volume.write(&payload).unwrap();
    let gate = Gate::start_with(Setup { policies: None, ..Setup::default() }).await;
    for name in payload.keys() {
        fs::copy(volume.folder().join(name), gate.policies().join(name)).unwrap();
    }
    gate.until_ready().await;
    let mounted: Vec<_> = payload.values().cloned().collect();
    edit(&mut payload, "contracts.yaml", "  profile.read:\n", "");
    assert_eq!(volume.write(&payload).unwrap(), Written::Swapped);
    // An edit that is seen, so that it is known that somebody looked.
    let seen_edit = "# looked at\n".to_owned();
    fs::write(gate.policies().join("note.yaml"), &seen_edit).unwrap();
    let file = |text| SourceFile { name: String::new(), text };
    let files: Vec<_> = mounted.into_iter().chain([seen_edit]).map(file).collect();
    let expected = tollgate::bundle::digest(&files);
    until("the folder was looked at", || async { digest(&gate).await == expected }).await;
    let profile = Ask { host: "id.shop.example", path: "/v1/accounts/4".into(), ..Ask::order() };
    assert_eq!(seen(&gate.check(&profile).await), Seen::Allowed, "the edit of the volume is not in force");
    gate.end().await;
}

#[tokio::test]
async fn what_is_the_same_byte_by_byte_is_not_written_and_not_loaded_again() {
    let mut shop = Shop::open().await;
    let links = |shop: &Shop| fs::read_link(shop.gate.policies().join("..data")).unwrap();
    let before = (links(&shop), shop.gate.metrics().await);
    let same = projected([(CATALOG, &shop.catalog), (GRANTS, &shop.grants)]);
    assert_eq!(shop.volume.write(&same).unwrap(), Written::Nothing);
    assert_eq!(links(&shop), before.0);
    let since = |text: &str| {
        text.lines().find(|line| line.starts_with("tollgate_policy_reloads_total{outcome=\"acc")).map(str::to_owned)
    };
    assert_eq!(since(&shop.gate.metrics().await), since(&before.1));
    shop.end().await;
}
