//! The record of one decision: its canonical bytes, and the pseudonyms in it.
//!
//! Canonical is protobuf with its fields in order and no maps, as prost writes it: the same decision has the same bytes.
//! A user and an agent stand in it as keyed pseudonyms (HMAC-SHA-256, RFC 2104), which are the same for the same person
//! under the same key, and lead back to nobody without it.

use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::pb;
use crate::secret::Secret;
use crate::terms::{Durability, Mode, PartyKind, Tier};
use crate::verdict::Verdict;

/// Makes pseudonyms with one key.
#[derive(Debug, Clone)]
pub struct Pseudonyms {
    key: Secret<Vec<u8>>,
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
    pub fn try_new(key: Vec<u8>) -> Result<Self, KeyTooShort> {
        if key.len() < MIN_KEY {
            return Err(KeyTooShort(key.len()));
        }
        // The id says which key it was, and nothing about the key.
        let key_id = hex(Sha256::new()
            .chain_update(b"tollgate pseudonym key id\0")
            .chain_update(&key)
            .finalize()
            .get(..4)
            .unwrap_or_default());
        Ok(Self { key: Secret::new(key), key_id })
    }

    /// A key that everyone knows, for decisions that are never recorded.
    pub fn for_cases() -> Self {
        Self { key: Secret::new(vec![0; MIN_KEY]), key_id: "case".to_owned() }
    }

    /// The pseudonym of a party. A user and an agent of the same name have different ones.
    pub fn of(&self, kind: PartyKind, id: &Secret<String>) -> String {
        // A key of any length is taken: longer ones are hashed first. The error is the trait's, not HMAC's.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose()) else {
            return String::new();
        };
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

/// The bytes of a record.
pub fn encode(decision: &pb::Decision) -> bytes::Bytes {
    decision.encode_to_vec().into()
}

/// A record from its bytes.
pub fn decode(bytes: &[u8]) -> Result<pb::Decision, prost::DecodeError> {
    pb::Decision::decode(bytes)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
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
        let a = Pseudonyms::try_new(vec![1; 32]).unwrap();
        let b = Pseudonyms::try_new(vec![2; 32]).unwrap();
        let ada = Secret::new("ada".to_owned());
        assert_eq!(a.of(PartyKind::User, &ada), a.of(PartyKind::User, &ada));
        assert_ne!(a.of(PartyKind::User, &ada), a.of(PartyKind::Agent, &ada));
        assert_ne!(a.of(PartyKind::User, &ada), b.of(PartyKind::User, &ada));
        assert_ne!(a.key_id(), b.key_id());
        assert_eq!(a.of(PartyKind::User, &ada).len(), 32);
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(Pseudonyms::try_new(vec![1; 31]).is_err());
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let decision =
            pb::Decision { id: "x".into(), verdict: pb::Verdict::from(Verdict::Deny).into(), ..Default::default() };
        assert_eq!(decode(&encode(&decision)).unwrap(), decision);
    }
}
