//! Policies as they come to a pod: in a volume that the kubelet exchanges while requests run.
//!
//! What is asked is what an operator must be able to rely on: an edit is in force as a whole or not at all, a bad one changes
//! no answer, and the good one behind it is in force at the next look. How often is looked is counted in `src/sources/tests.rs`.

mod answers;
mod edits;
mod steps;
pub mod volume;

use std::sync::Arc;

use crate::support::{Ask, Gate, Setup, shipped, until};
use volume::{Payload, Volume, projected};

const CATALOG: &str = "catalog";
const GRANTS: &str = "grants";
const GUESTS: &str = "guests";

/// The shipped policies as two ConfigMaps in one projected volume, and a Tollgate that serves by it.
struct Shop {
    gate: Arc<Gate>,
    volume: Volume,
    catalog: Payload,
    grants: Payload,
    /// A third one, which may be there or not.
    guests: Payload,
}

impl Shop {
    async fn open() -> Self {
        let gate = Gate::start_with(Setup { policies: None, ..Setup::default() }).await;
        let is_grant = |name: &str| ["contracts.yaml", "cases.yaml"].contains(&name);
        let (grants, catalog) = volume::read(&shipped()).unwrap().into_iter().partition(|(name, _)| is_grant(name));
        let volume = Volume::new(&gate.policies()).unwrap();
        let mut shop = Self { gate: Arc::new(gate), volume, catalog, grants, guests: Payload::new() };
        shop.publish();
        shop.gate.until_ready().await;
        shop
    }

    /// Brings what was edited to the volume, as one.
    fn publish(&mut self) {
        let parts = [(CATALOG, &self.catalog), (GRANTS, &self.grants), (GUESTS, &self.guests)];
        self.volume.write(&projected(parts)).unwrap();
    }

    /// Waits until the folder is seen as it is now.
    async fn until_seen(&self, loads: bool) {
        let line = format!("tollgate_policy_last_reload_successful {}", u8::from(loads));
        until(&line, || async { self.gate.metrics().await.contains(&line) }).await;
    }

    /// How many contents of the folder were refused until now.
    async fn refusals(&self) -> u64 {
        const SERIES: &str = "tollgate_policy_reloads_total{outcome=\"refused\"} ";
        let metrics = self.gate.metrics().await;
        metrics.lines().find_map(|line| line.strip_prefix(SERIES)).unwrap().parse().unwrap()
    }

    /// What is wrong with the folder, as the admin port shows it.
    async fn problems(&self) -> Vec<String> {
        let status: serde_json::Value =
            serde_json::from_str(&crate::support::get(self.gate.admin, "/policies").await).unwrap();
        status["problems"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    async fn end(self) {
        Arc::into_inner(self.gate).unwrap().end().await;
    }
}

/// Replaces a text that must be there.
fn edit(map: &mut Payload, key: &str, from: &str, to: &str) {
    let text = map.get_mut(key).unwrap();
    assert!(text.contains(from), "{from}");
    *text = text.replace(from, to);
}

/// A bot without a user.
fn bot(host: &'static str, path: &str) -> Ask {
    let workload = "spiffe://cluster.local/ns/bots/sa/chat";
    Ask { host, path: path.to_owned(), workload, claims: serde_json::Value::Null, ..Ask::order() }
}
