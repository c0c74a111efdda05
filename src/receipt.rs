//! The record of one decision: its canonical bytes, and the pseudonyms in it.
//!
//! Canonical is protobuf with its fields in order and no maps, as prost writes it: the same decision has the same bytes. A
//! record is written straight from what was decided ([`Record`]), and read as [`pb::Decision`].
//! A user and an agent stand in it as keyed pseudonyms (HMAC-SHA-256, RFC 2104), which are the same for the same person
//! under the same key, and lead back to nobody without it.

mod record;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
pub use record::{Id, OfCaller, Record};
use sha2::{Digest, Sha256};

use crate::pb;
use crate::secret::Secret;
use crate::terms::{Durability, Mode, PartyKind, Reason, Tier};
use crate::verdict::Verdict;

/// Makes pseudonyms with one key.
#[derive(Debug, Clone)]
pub struct Pseudonyms {
    /// The code with the key in it already, which is half of the work.
    keyed: Secret<Hmac<Sha256>>,
    key_id: String,
}

/// A key that is too short to keep a person's id from being guessed.
#[derive(Debug, thiserror::Error)]
#[error("a pseudonym key has at least {MIN_KEY} bytes, this one has {0}")]
pub struct KeyTooShort(usize);

/// RFC 2104, section 3: a key shorter than the hash's output weakens it.
const MIN_KEY: usize = 32;
/// 128 bits of the code: collisions among all people there are stay out of reach.
const PSEUDONYM_BYTES: usize = 16;

impl Pseudonyms {
    /// Takes a key of at least 32 bytes.
    pub fn try_new(key: &[u8]) -> Result<Self, KeyTooShort> {
        // A key of any length is taken: longer ones are hashed first. The error is the trait's, not HMAC's.
        let keyed = Hmac::new_from_slice(key).map_err(|_| KeyTooShort(key.len()));
        if key.len() < MIN_KEY {
            return Err(KeyTooShort(key.len()));
        }
        // The id says which key it was, and nothing about the key.
        let id = Sha256::new().chain_update(b"tollgate pseudonym key id\0").chain_update(key).finalize();
        Ok(Self { keyed: Secret::new(keyed?), key_id: hex(id.get(..4).unwrap_or_default()) })
    }

    /// A key that everyone knows, for decisions that are never recorded.
    pub fn for_cases() -> Self {
        Self { keyed: Secret::new(Hmac::new(&[0; 64].into())), key_id: "case".to_owned() }
    }

    /// The pseudonym of a party. A user and an agent of the same name have different ones.
    pub fn of(&self, kind: PartyKind, id: &Secret<String>) -> String {
        let mut mac = self.keyed.expose().clone();
        mac.update(kind.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(id.expose().as_bytes());
        hex(mac.finalize().into_bytes().get(..PSEUDONYM_BYTES).unwrap_or_default())
    }

    /// Which key it is.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// The record of a decision that was carried out otherwise, under the same id.
pub fn corrected(record: &[u8], reason: Reason) -> Result<Vec<u8>, prost::DecodeError> {
    let verdict = pb::Verdict::from(Verdict::from(reason)).into();
    Ok(pb::Decision { verdict, reason: reason.code().to_owned(), ..decode(record)? }.encode_to_vec())
}

/// A record from its bytes.
pub fn decode(bytes: &[u8]) -> Result<pb::Decision, prost::DecodeError> {
    pb::Decision::decode(bytes)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

macro_rules! same_in_record {
    ($word:ident => $record:ident { $($from:ident => $to:ident),+ $(,)? }) => {
        impl From<$word> for pb::$record {
            fn from(word: $word) -> Self {
                match word { $($word::$from => Self::$to),+ }
            }
        }
    };
}
same_in_record!(Tier => Tier { Open => Open, Personal => Personal, Sensitive => Sensitive, Impact => Impact, Critical => Critical });
same_in_record!(Mode => Mode { Observe => Observe, Enforce => Enforce });
same_in_record!(Durability => Durability { Async => Async, Durable => Durable, WriteAhead => WriteAhead });
same_in_record!(Verdict => Verdict { Allow => Allow, Deny => Deny, Challenge => Challenge, Hold => Hold, Throttle => Throttle, Error => Error });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_stable_under_its_key_and_differs_by_kind_and_key() {
        let a = Pseudonyms::try_new(&[1; 32]).unwrap();
        let b = Pseudonyms::try_new(&[2; 32]).unwrap();
        let ada = Secret::new("ada".to_owned());
        assert_eq!(a.of(PartyKind::User, &ada), a.of(PartyKind::User, &ada));
        assert_ne!(a.of(PartyKind::User, &ada), a.of(PartyKind::Agent, &ada));
        assert_ne!(a.of(PartyKind::User, &ada), b.of(PartyKind::User, &ada));
        assert_ne!(a.key_id(), b.key_id());
        assert_eq!(a.of(PartyKind::User, &ada).len(), 32);
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(Pseudonyms::try_new(&[1; 31]).is_err());
    }
}
