//! The ladder: what each tier demands of a call.

use std::fmt;
use std::time::Duration;

use crate::terms::{Durability, Tier};

/// What each tier demands.
#[derive(Debug, Clone)]
pub struct Tiers {
    demands: [Demands; Tier::ALL.len()],
}

/// What one tier demands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// Everyone who stands behind the call is proven.
    pub known_caller: bool,
    /// Exactly one purpose is declared.
    pub declared_purpose: bool,
    /// How the user must have signed in.
    pub assurance: Option<Assurance>,
    /// How surely the decision is recorded before it is answered.
    pub receipt: Option<Durability>,
}

/// How, and how recently, the user must have signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assurance {
    /// Any of these authentication context classes will do.
    pub acr: Vec<String>,
    /// The longest time since then. Without it any time will do.
    pub max_age: Option<Duration>,
}

impl Tiers {
    /// What a tier demands.
    #[expect(clippy::indexing_slicing, reason = "there are as many demands as tiers")]
    pub const fn demands(&self, tier: Tier) -> &Demands {
        &self.demands[tier as usize]
    }

    /// Replaces what a tier demands.
    #[expect(clippy::indexing_slicing, reason = "there are as many demands as tiers")]
    pub fn set(&mut self, tier: Tier, demands: Demands) {
        self.demands[tier as usize] = demands;
    }
}

impl Demands {
    /// How surely the decision is recorded.
    pub fn durability(&self) -> Durability {
        self.receipt.unwrap_or(Durability::Async)
    }
}

impl fmt::Display for Demands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known_caller.then(|| "a known caller".to_owned());
        let purpose = self.declared_purpose.then(|| "one declared purpose".to_owned());
        let assurance = self.assurance.as_ref().map(ToString::to_string);
        let receipt = self.receipt.map(|durability| format!("a record that is {durability}"));
        let all: Vec<_> = [known, purpose, assurance, receipt].into_iter().flatten().collect();
        f.write_str(&if all.is_empty() { "nothing".to_owned() } else { all.join(", ") })
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sign-in with {}", self.acr.join(" or "))?;
        let age = self.max_age.map(|age| write!(f, " at most {} ago", humantime::format_duration(age)));
        age.unwrap_or(Ok(()))
    }
}

impl Default for Tiers {
    /// The built-in ladder. One hour and five minutes are what step-up profiles for account changes and for payments
    /// commonly ask; a `Tiers` document sets others.
    fn default() -> Self {
        let known = Demands { known_caller: true, ..Demands::default() };
        let declared = Demands { declared_purpose: true, ..known.clone() };
        let proven_within = |seconds, receipt| Demands {
            assurance: Some(Assurance {
                acr: vec!["mfa".into(), "phr".into()],
                max_age: Some(Duration::from_secs(seconds)),
            }),
            receipt: Some(receipt),
            ..declared.clone()
        };
        let impact = proven_within(3600, Durability::Durable);
        let critical = proven_within(300, Durability::WriteAhead);
        Self { demands: [Demands::default(), known, declared, impact, critical] }
    }
}
