//! What is recorded of one decision, borrowed from where it was decided, and its bytes.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::pb;
use crate::terms::{ActionName, Durability, Mode, Name, Reason, Tier};
use crate::verdict::Verdict;
use crate::wire::Writer;

/// The id of a receipt: a UUID (RFC 9562), in the form in which everyone writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Id([u8; Hyphenated::LENGTH]);

/// What is recorded. `proto/tollgate/v1/decision.proto` says what each field is.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is described once, in the .proto file")]
pub struct Record<'a> {
    pub id: Id,
    pub time: Timestamp,
    pub bundle: &'a str,
    pub verdict: Verdict,
    pub reason: Reason,
    pub mode: Mode,
    pub service: &'a str,
    pub action: &'a str,
    pub tier: Option<Tier>,
    pub route: &'a str,
    pub caller: OfCaller<'a>,
    pub purpose: &'a str,
    pub contracts: &'a [&'a Name],
    pub durability: Durability,
    pub trace_id: Option<[u8; 16]>,
    pub retain_seconds: u64,
    pub forged_headers: &'a [String],
    pub actions: &'a [&'a ActionName],
    pub overrides: &'a [&'a Name],
    pub unnamed_fields: u32,
    pub against: &'a [(String, Reason)],
}

/// Who asked, without anything personal.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is described once, in the .proto file")]
pub struct OfCaller<'a> {
    pub workload: &'a str,
    pub user: &'a str,
    pub agents: &'a [String],
    pub automation: pb::Automation,
    pub pseudonym_key: &'a str,
}

/// Names and rules of one sort in a record: with more of them it could outgrow what the ledger takes.
const MAX_LISTED: usize = 32;
/// Most records are shorter.
const USUAL_BYTES: usize = 512;

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        // A UUID is written in ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

impl Default for Id {
    /// The id of what is never recorded: all zeros.
    fn default() -> Self {
        Self::from(Uuid::nil())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Record<'_> {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::with_capacity(USUAL_BYTES);
        let word = |word: i32| u64::try_from(word).unwrap_or_default();
        to.text(1, self.id.as_str());
        to.varint(2, u64::try_from(self.time.as_nanosecond()).unwrap_or_default());
        to.text(3, self.bundle);
        to.varint(4, word(pb::Verdict::from(self.verdict).into()));
        to.text(5, self.reason.code());
        to.varint(6, word(pb::Mode::from(self.mode).into()));
        to.text(7, self.service);
        to.text(8, self.action);
        to.varint(9, word(self.tier.map(|tier| pb::Tier::from(tier).into()).unwrap_or_default()));
        to.text(10, self.route);
        to.message(11, |to| {
            to.text(1, self.caller.workload);
            to.text(2, self.caller.user);
            self.caller.agents.iter().for_each(|agent| to.element(3, agent.as_bytes()));
            to.varint(4, word(self.caller.automation.into()));
            to.text(5, self.caller.pseudonym_key);
        });
        to.text(12, self.purpose);
        self.contracts.iter().take(MAX_LISTED).for_each(|name| to.element(13, name.as_str().as_bytes()));
        to.varint(14, word(pb::Durability::from(self.durability).into()));
        to.bytes(15, self.trace_id.as_ref().map_or(&[], |id| &id[..]));
        to.varint(16, self.retain_seconds);
        self.forged_headers.iter().for_each(|name| to.element(17, name.as_bytes()));
        self.actions.iter().for_each(|name| to.element(18, name.as_str().as_bytes()));
        self.overrides.iter().take(MAX_LISTED).for_each(|name| to.element(19, name.as_str().as_bytes()));
        to.varint(20, self.unnamed_fields.into());
        for (rule, reason) in self.against.iter().take(MAX_LISTED) {
            to.message(21, |to| {
                to.text(1, rule);
                to.text(2, reason.code());
            });
        }
        to.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_record_survives_its_bytes_and_they_are_canonical() {
        let (name, action): (Name, ActionName) = ("desk".parse().unwrap(), "order.read".parse().unwrap());
        let record = Record {
            id: Id::from(Uuid::from_u128(7)),
            time: Timestamp::constant(1, 2),
            bundle: "b",
            verdict: Verdict::Deny,
            reason: Reason::ContractNone,
            mode: Mode::Enforce,
            service: "orders",
            action: "order.read",
            tier: Some(Tier::Critical),
            route: "GET /o",
            caller: OfCaller {
                workload: "spiffe://d/w",
                user: "u",
                agents: &["a".to_owned(), "b".to_owned()],
                automation: pb::Automation::Assisted,
                pseudonym_key: "k",
            },
            purpose: "support",
            contracts: &[&name, &name],
            durability: Durability::WriteAhead,
            trace_id: Some([3; 16]),
            retain_seconds: 60,
            forged_headers: &["tollgate-tier".to_owned()],
            actions: &[&action],
            overrides: &[&name],
            unnamed_fields: 5,
            against: &[("rule".to_owned(), Reason::ContractNone)],
        };
        let bytes = record.encode();
        let decision = pb::Decision::decode(&bytes[..]).unwrap();
        assert_eq!(decision.encode_to_vec(), bytes, "as the library would write it");
        let caller = decision.caller.unwrap();
        assert_eq!((caller.agents.len(), caller.automation()), (2, pb::Automation::Assisted));
        assert_eq!(decision.id, "00000000-0000-0000-0000-000000000007");
        assert_eq!((decision.time_unix_nano, decision.tier, decision.unnamed_fields), (1_000_000_002, 5, 5));
        assert_eq!((decision.contracts.len(), decision.against.len(), decision.trace_id), (2, 1, vec![3; 16]));
        let corrected = crate::receipt::decode(&crate::receipt::corrected(&bytes, Reason::Internal).unwrap()).unwrap();
        assert_eq!((corrected.id, corrected.reason), (decision.id, "internal".to_owned()));
        assert_eq!(corrected.verdict, i32::from(pb::Verdict::Error));
    }
}
