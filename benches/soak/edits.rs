//! The policies, edited all the time: a contract gets an action and loses it again, and now and then an edit is bad.
//!
//! Tollgate is one process, so once one answer is the new one, all that are asked later are. A bad edit changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::ask::Got;
use crate::cases::{self, Edited};
use crate::slot::Slot;
use crate::tally::{Sort, Tally};
use crate::volume::{self, Payload, Volume};
use crate::{counters, until};

const FILE: &str = "contracts.yaml";
const CONTRACT: &str = "name: chat-bot,";
const ACTION: &str = "profile.read";
const SLIP: &str = "profile.raed";
/// The folder is looked at every second; the rest is what compiling and a busy machine may add.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);
/// Every so many good edits a bad one.
const BAD: u64 = 4;

/// Whoever edits.
pub(crate) struct Editor {
    content: Payload,
    volume: Volume,
    edited: Arc<Edited>,
}

impl Editor {
    pub(crate) fn new(shipped: &Path, folder: &Path) -> anyhow::Result<Self> {
        let content = volume::read(shipped).context("can't read the policies")?;
        let mut volume = Volume::new(folder).context("can't make a volume of policies")?;
        volume.write(&content).context("can't write policies")?;
        Ok(Self { content, volume, edited: Arc::default() })
    }

    pub(crate) fn edited(&self) -> Arc<Edited> {
        Arc::clone(&self.edited)
    }

    /// Edits again and again. `ask` is a connection of its own.
    pub(crate) async fn keep_on(
        mut self,
        every: Duration,
        ask: Slot,
        metrics: SocketAddr,
        tally: Arc<Tally>,
    ) -> anyhow::Result<()> {
        for number in 1.. {
            tokio::time::sleep(every).await;
            self.good(number, &ask, &tally).await?;
            if number % BAD == 0 {
                tokio::time::sleep(every).await;
                self.bad(number, metrics, &tally).await?;
            }
        }
        Ok(())
    }

    /// Grants, or takes it back; waits until it is in force.
    async fn good(&mut self, number: u64, ask: &Slot, tally: &Tally) -> anyhow::Result<()> {
        let epoch = self.edited.step();
        let new = epoch.leads_to();
        let text = if new == Got::Allowed { self.with(ACTION)? } else { self.text()?.to_owned() };
        self.publish(&format!("{text}# edit {number}\n"))?;
        let is_in_force = || async { ask.ask(&cases::edited()).await == new };
        match until(IN_FORCE_WITHIN, is_in_force).await {
            Some(took) => {
                tally.count(Sort::Policies, "good edits, in force");
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tally.most(Sort::Policies, "longest time until one was in force, in ms", millis);
            }
            None => tally.wrong(format!("an edit was not in force after {IN_FORCE_WITHIN:?}")),
        }
        self.edited.step();
        Ok(())
    }

    /// Makes a mistake, waits until it is noticed, and goes on. No answer may change.
    async fn bad(&mut self, number: u64, metrics: SocketAddr, tally: &Tally) -> anyhow::Result<()> {
        const REFUSED: &str = "tollgate_policy_reloads_total{outcome=\"refused\"}";
        let refused = || async {
            // A page that cannot be had this time is asked for again.
            let counters = counters::counters(metrics).await.unwrap_or_default();
            counters.get(REFUSED).copied()
        };
        let before = refused().await;
        self.publish(&format!("{}# slip {number}\n", self.with(SLIP)?))?;
        match until(IN_FORCE_WITHIN, || async { refused().await > before }).await {
            Some(_) => tally.count(Sort::Policies, "bad edits, refused"),
            None => tally.wrong(format!("a bad edit was not refused after {IN_FORCE_WITHIN:?}")),
        }
        Ok(())
    }

    fn text(&self) -> anyhow::Result<&String> {
        self.content.get(FILE).with_context(|| format!("the policies have no `{FILE}`"))
    }

    /// The contract with one more action.
    fn with(&self, action: &str) -> anyhow::Result<String> {
        let text = self.text()?;
        let (before, rest) = text.split_once(CONTRACT).context("there is no contract for the chat bot")?;
        let (head, rest) = rest.split_once("actions:\n").context("the chat bot's contract has no actions")?;
        Ok(format!("{before}{CONTRACT}{head}actions:\n  {action}:\n{rest}"))
    }

    fn publish(&mut self, text: &str) -> anyhow::Result<()> {
        let mut content = self.content.clone();
        content.insert(FILE.to_owned(), text.to_owned());
        self.volume.write(&content).context("can't write policies")?;
        Ok(())
    }
}
