//! What is asked, and what must come back.
//!
//! All of it is about the shipped policies. One case has another answer after each good edit; the others never change.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tollgate::clock::{Clock as _, System};

use crate::ask::{Ask, Got};

pub(crate) const DESK: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";
pub(crate) const BOT: &str = "spiffe://cluster.local/ns/bots/sa/chat";
pub(crate) const API: &str = "api.shop.example";
const ID: &str = "id.shop.example";
const BILLING: &str = "billing.shop.example";

/// What must come back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    Allowed,
    Refused(i32, &'static str),
    /// What the edited contract says at the moment.
    AsEdited,
}

/// One sort of request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Its share of what is asked.
    weight: usize,
    want: Want,
    ask: fn(u64) -> Ask,
}

/// Twelve sorts; a hundred of them in all, so that weights are per cent.
pub(crate) const CASES: &[Case] = &[
    Case { name: "order.read", weight: 36, want: Want::Allowed, ask: |n| desk("GET", API, format!("/v1/orders/{n}")) },
    Case { name: "delivery.track", weight: 8, want: Want::Allowed, ask: track },
    // Of the tier impact: their record is on disk before the answer.
    Case { name: "order.cancel", weight: 3, want: Want::Allowed, ask: |n| signed_in(cancel(n)) },
    Case {
        name: "credit.issue",
        weight: 2,
        want: Want::Allowed,
        ask: |_| signed_in(credit(r#"{"cents":2500,"currency":"EUR","reason":"late"}"#)),
    },
    Case {
        name: "above its limit",
        weight: 3,
        want: Want::Refused(403, "limit.exceeded"),
        ask: |_| signed_in(credit(r#"{"cents":2501,"currency":"EUR"}"#)),
    },
    Case {
        name: "not granted",
        weight: 8,
        want: Want::Refused(403, "contract.none"),
        ask: |_| bot("/v1/stats/orders"),
    },
    Case { name: "challenged", weight: 6, want: Want::Refused(401, "assurance.required"), ask: cancel },
    Case {
        name: "malformed",
        weight: 6,
        want: Want::Refused(400, "path.matrix"),
        ask: |n| desk("GET", API, format!("/v1/orders/{n};a=b")),
    },
    Case { name: "unmapped", weight: 10, want: Want::Refused(403, "unmapped"), ask: nowhere },
    Case { name: "nobody", weight: 4, want: Want::Refused(401, "caller.unknown"), ask: nobody },
    Case { name: "as edited", weight: 14, want: Want::AsEdited, ask: |_| edited() },
];

/// How long the longest cycle of edits is: granted, denied, granted.
#[derive(Debug, Default)]
pub(crate) struct Edited(AtomicU64);

/// When a request was sent, in the order of edits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(u64);

impl Edited {
    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.0.load(Ordering::SeqCst))
    }

    /// An edit is on its way: both answers are right until it is known to be in force, or back again.
    pub(crate) fn step(&self) -> Epoch {
        Epoch(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

impl Epoch {
    /// Odd while an edit is on its way; every second even one grants.
    fn settled(self) -> Option<Got> {
        match self.0 % 4 {
            0 => Some(Got::Refused(403, "contract.none".to_owned())),
            2 => Some(Got::Allowed),
            _ => None,
        }
    }

    /// What an edit that is on its way leads to.
    pub(crate) fn leads_to(self) -> Got {
        Self(self.0 + 1).settled().unwrap_or(Got::Allowed)
    }
}

impl Case {
    pub(crate) fn of(number: u64) -> Self {
        // Steps of 37 through the hundred, which have no common divisor: no two of a sort stand together for long.
        let all = CASES.iter().map(|case| case.weight).sum::<usize>().max(1);
        let mut at = usize::try_from(number.wrapping_mul(37)).unwrap_or_default() % all;
        for case in CASES {
            match at.checked_sub(case.weight) {
                None => return *case,
                Some(left) => at = left,
            }
        }
        CASES.first().copied().unwrap_or(Case { name: "", weight: 0, want: Want::Allowed, ask: nobody })
    }

    pub(crate) fn ask(&self, number: u64) -> Ask {
        (self.ask)(number)
    }

    /// Whether this came back rightly, to what was sent at one time and answered at another.
    pub(crate) fn is_right(&self, got: &Got, sent: Epoch, answered: Epoch) -> bool {
        match self.want {
            Want::Allowed => *got == Got::Allowed,
            Want::Refused(status, reason) => *got == Got::Refused(status, reason.to_owned()),
            Want::AsEdited => match sent.settled().filter(|_| sent.0 == answered.0) {
                Some(want) => *got == want,
                None => [Got::Allowed, Got::Refused(403, "contract.none".to_owned())].contains(got),
            },
        }
    }
}

/// The case whose answer is edited.
pub(crate) fn edited() -> Ask {
    Ask { host: ID, ..bot("/v1/accounts/4") }
}

fn desk(method: &'static str, host: &'static str, path: String) -> Ask {
    Ask { method, host, path, workload: DESK, claims: claims("pwd"), body: "" }
}

fn bot(path: &str) -> Ask {
    Ask { method: "GET", host: API, path: path.to_owned(), workload: BOT, ..Ask::default() }
}

fn cancel(number: u64) -> Ask {
    desk("POST", API, format!("/v1/orders/{number}/cancel"))
}

fn credit(body: &'static str) -> Ask {
    Ask { body, ..desk("POST", BILLING, "/v1/accounts/4/credits".to_owned()) }
}

fn signed_in(ask: Ask) -> Ask {
    Ask { claims: claims("mfa"), ..ask }
}

fn track(number: u64) -> Ask {
    bot(&format!("/v1/deliveries/JD{number}"))
}

/// Never the same twice: what is kept of them must be bounded.
fn nowhere(number: u64) -> Ask {
    bot(&format!("/v1/nowhere/{:x}/{number}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn nobody(number: u64) -> Ask {
    Ask { method: "GET", host: API, path: format!("/v1/orders/{number}"), ..Ask::default() }
}

/// Signed in just now, with a password or with a second factor.
pub(crate) fn claims(acr: &str) -> Value {
    json!({ "sub": "agent-7", "roles": ["support-agent"], "acr": acr, "auth_time": System.now().as_second() - 5 })
}
