//! The words of the field as types: tiers, names, purposes, parties, money, modes, reasons.
//!
//! A value of one of these types was checked when it was made, so nothing further up checks it again. They know nothing of
//! YAML, Envoy or each other's use. Each parses from the spelling that policies use, and prints as that spelling.

mod dotted;
mod duration;
pub mod header;
mod mode;
mod money;
mod name;
mod nearest;
mod party;
mod pointer;
mod reason;
mod tier;

pub use dotted::{DataClass, Purpose};
pub(crate) use duration::parse_duration;
pub use mode::{Durability, Mode};
pub(crate) use money::parse_decimal;
pub use money::{Currency, Money};
pub use name::{ActionName, Name};
pub(crate) use nearest::nearest;
pub use party::{AgentId, PartyKind, Role, SpiffeId, SpiffePattern, TrustDomain, UserId};
pub use pointer::Pointer;
pub use reason::{Kind, Reason};
pub use tier::Tier;

/// A word that could not be read. The message says what was expected, in words for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTerm(pub(crate) String);

/// An enum whose spellings are a closed list, the same in policies, metrics, receipts and pages.
macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// Every value, lowest first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling in policies, metrics and receipts.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::terms::InvalidTerm;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|one| format!("`{one}`")).collect();
                    $crate::terms::InvalidTerm(format!("`{text}` is not {}: one of {}", $what, known.join(", ")))
                })
            }
        }
    };
}
pub(crate) use spelled;
