//! The well-behaved: a constant rate over three ways, and every answer compared with the right one.
//!
//! Requests are sent when it is their time, whether or not earlier ones were answered. Latency is not what this is about, so
//! the generator sleeps between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::ask::Got;
use crate::cases::{BOT, Case, Edited};
use crate::slot::{Slot, Tokens, Way};
use crate::stage::Stage;
use crate::tally::{Sort, Tally};

/// All who ask.
#[derive(Clone)]
pub(crate) struct Load(Arc<Parts>);

struct Parts {
    direct: Vec<Slot>,
    socket: Vec<Slot>,
    /// As the desk, and as the bot.
    envoy: [Slot; 2],
    edited: Arc<Edited>,
    tally: Arc<Tally>,
    number: AtomicU64,
}

const TICK: Duration = Duration::from_millis(5);
/// More than this without an answer, and requests are missed instead of sent: the machine stands still.
const MOST_UNDER_WAY: usize = 4_000;
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const CALIBRATION: Duration = Duration::from_secs(4);
/// Enough to have something to do at any time.
const CALLERS: usize = 48;
/// Of a hundred requests: those over mTLS, and those over the socket; the rest goes through Envoy.
const DIRECT: u64 = 60;
const SOCKET: u64 = 15;

impl Load {
    pub(crate) fn prepare(stage: &Stage, tally: &Arc<Tally>) -> Self {
        let slots = |way: &Way, count| (0..count).map(|_| Slot::new(way.clone(), tally)).collect();
        let tokens = Arc::new(Tokens::new(&stage.tokens));
        let envoy = [&stage.desk, &stage.bot]
            .map(|connector| Slot::new(Way::Envoy(stage.front, connector.clone(), Arc::clone(&tokens)), tally));
        Self(Arc::new(Parts {
            direct: slots(&direct(stage), 4),
            socket: slots(&Way::Socket(stage.socket.clone()), 2),
            envoy,
            edited: Arc::clone(&stage.edited),
            tally: Arc::clone(tally),
            number: AtomicU64::new(0),
        }))
    }

    /// How many requests a second are half of what this machine can do now.
    pub(crate) async fn half_of_what_can_be_done(&self) -> u32 {
        let end = Instant::now() + CALIBRATION;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let load = self.clone();
            callers.spawn(async move {
                let mut asked = 0_u32;
                while Instant::now() < end {
                    load.0.ask_next().await;
                    asked += 1;
                }
                asked
            });
        }
        let asked: u32 = callers.join_all().await.into_iter().sum();
        (asked / u32::try_from(CALIBRATION.as_secs()).unwrap_or(1) / 2).max(1)
    }

    /// Asks so many times a second, for so long, and waits for the last answers.
    pub(crate) async fn keep_asking(&self, rate: u32, time: Duration) -> anyhow::Result<()> {
        let (mut tasks, began, mut sent) = (JoinSet::new(), Instant::now(), 0);
        loop {
            let passed = began.elapsed().min(time);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
            let due = (passed.as_secs_f64() * f64::from(rate)) as u64;
            while sent < due {
                sent += 1;
                if tasks.len() >= MOST_UNDER_WAY {
                    self.0.tally.count(Sort::Noticed, "missed: too many were under way");
                    continue;
                }
                let load = self.clone();
                tasks.spawn(async move { load.0.ask_next().await });
            }
            while let Some(ended) = tasks.try_join_next() {
                ended?;
            }
            if passed == time {
                break;
            }
            tokio::time::sleep(TICK).await;
        }
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                ended?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(LAST_ANSWERS_WITHIN, all).await?
    }
}

/// Straight to Tollgate.
pub(crate) fn direct(stage: &Stage) -> Way {
    Way::Direct(stage.tcp, Arc::clone(&stage.current))
}

impl Parts {
    /// Asks what comes next, and compares.
    async fn ask_next(&self) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let case = Case::of(number);
        let ask = case.ask(number);
        // Another stride than that of the cases, so that each sort goes each way.
        let (way, slot) = match number.wrapping_mul(61) % 101 {
            at if at < DIRECT => ("mTLS", pick(&self.direct, number)),
            at if at < DIRECT + SOCKET => ("socket", pick(&self.socket, number)),
            // Nobody gets to Envoy without a certificate.
            _ if ask.workload.is_empty() => ("mTLS", pick(&self.direct, number)),
            _ => ("Envoy", self.envoy.get(usize::from(ask.workload == BOT))),
        };
        let Some(slot) = slot else { return };
        let sent = self.edited.now();
        self.tally.begin();
        let got = slot.ask(&ask).await;
        self.tally.end();
        let answered = self.edited.now();
        if way == "Envoy" && got == Got::Allowed {
            self.tally.passed_by_envoy.fetch_add(1, Ordering::Relaxed);
        }
        match got {
            Got::Failed(error) => self.tally.count(Sort::Error, format!("{way}: {error}")),
            got if case.is_right(&got, sent, answered) => {
                self.tally.count(Sort::Answer, format!("{way}: {}", case.name));
            }
            got => self.tally.wrong(format!("{way}: {} got {got:?} (sent at {sent:?}, now {answered:?})", case.name)),
        }
    }
}

fn pick(slots: &[Slot], number: u64) -> Option<&Slot> {
    slots.get(usize::try_from(number).unwrap_or_default() % slots.len().max(1))
}
