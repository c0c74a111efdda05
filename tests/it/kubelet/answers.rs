//! Clients that ask all the time while the volume changes, and compare each answer with the one that it must be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::bot;
use crate::support::{Ask, DESK, Gate, Seen, denied, seen, until};

/// So many connections, each with its own client.
const CLIENTS: usize = 4;

/// The load.
pub struct Load {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

/// Requests, and what the shipped policies say of each. No edit of these tests changes any of it.
fn known() -> [(Ask, Seen); 4] {
    let profile = || Ask { host: "id.shop.example", path: "/v1/accounts/4".into(), workload: DESK, ..Ask::order() };
    [
        (Ask::order(), Seen::Allowed),
        (profile(), Seen::Allowed),
        (bot("api.shop.example", "/v1/orders/7"), Seen::Allowed),
        (bot("api.shop.example", "/v1/nowhere"), denied(403, "unmapped")),
    ]
}

impl Load {
    /// Begins. Each answer that is another one fails the test, at the latest in [`Load::end`].
    pub fn start(gate: &Arc<Gate>) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (gate, stop, asked) = (Arc::clone(gate), Arc::clone(&stop), Arc::clone(&asked));
            clients.spawn(async move {
                let mut client = gate.client().await;
                while !stop.load(Ordering::SeqCst) {
                    for (ask, expected) in known() {
                        let answer = client.check(ask.to_wire()).await.map(tonic::Response::into_inner);
                        assert_eq!(seen(&answer), expected, "{} {}", ask.workload, ask.path);
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        Self { clients, stop, asked }
    }

    /// Waits until so many more answers were compared.
    pub async fn go_on(&self, answers: usize) {
        let until_then = self.asked.load(Ordering::SeqCst) + answers;
        until("the load goes on", || async { self.asked.load(Ordering::SeqCst) >= until_then }).await;
    }

    /// Ends, and says how many answers were compared. All of them were right.
    pub async fn end(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.asked.load(Ordering::SeqCst)
    }
}
