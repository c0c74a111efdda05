//! The user: the claims of a token that the proxy verified and left in its metadata.
//!
//! Signature, audience and expiry are the proxy's work; a header is never read. A claim that is there in a form that is not
//! its own makes the whole proof broken, because a rule about it could not be trusted either way.

use super::{Declared, Proof, chain};
use crate::facts::Metadata;
use crate::secret::Secret;
use crate::terms::{AgentId, Pointer, Role, UserId};

/// Where the claims are, and which claim is what.
#[derive(Debug, Clone)]
pub struct UserRule {
    /// The metadata namespace of the filter that verified the token.
    pub namespace: String,
    /// The key under which the payload stands there.
    pub key: String,
    /// The user's id.
    pub id: Pointer,
    /// A list of roles.
    pub roles: Option<Pointer>,
    /// The actor who acts for the user, with earlier ones inside (RFC 8693).
    pub actor: Option<Pointer>,
    /// Authentication context class: how the user signed in (OpenID Connect Core 1.0, section 2).
    pub acr: Option<Pointer>,
    /// When the user signed in, in seconds since the Unix epoch (the same section).
    pub auth_time: Option<Pointer>,
    /// The purpose that the token was issued for.
    pub purpose: Option<Pointer>,
    /// The customer organisation that the user belongs to.
    pub tenant: Option<Pointer>,
}

/// A user whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// What the token grants.
    pub roles: Vec<Role>,
    /// Who acts for the user, the one that acts first.
    pub agents: Vec<AgentId>,
    /// How the user signed in.
    pub acr: Option<String>,
    /// When, in seconds since the Unix epoch.
    pub auth_time: Option<i64>,
    /// The purpose that the token declares.
    pub purpose: Declared,
    /// The customer organisation that the user belongs to.
    pub tenant: Option<String>,
}

/// More roles than this are no roles, but a directory.
const MAX_ROLES: usize = 256;

impl UserRule {
    pub(super) fn read(&self, metadata: &Metadata<'_>) -> Proof<User> {
        let Some(claims) = metadata.get(&self.namespace).and_then(|space| space.get(&self.key)) else {
            return Proof::Absent;
        };
        self.read_claims(claims).map_or_else(Proof::Broken, Proof::Proven)
    }

    fn read_claims(&self, claims: &Metadata<'_>) -> Result<User, &'static str> {
        if !matches!(claims, Metadata::Object(_)) {
            return Err("the token's payload is no object");
        }
        let claim = |at: &Option<Pointer>| at.as_ref().and_then(|at| claims.at(at));
        let id = chain::read_id(claims.at(&self.id)).ok_or("the token has no usable user id")?;
        Ok(User {
            id: Secret::new(id),
            roles: claim(&self.roles).map_or(Ok(Vec::new()), read_roles)?,
            agents: chain::read(claim(&self.actor))?,
            acr: claim(&self.acr).map(read_text).transpose()?,
            auth_time: claim(&self.auth_time).map(read_seconds).transpose()?,
            purpose: claim(&self.purpose)
                .map_or(Ok(Declared::Nothing), |value| read_text(value).map(|text| Declared::from_text(&text)))?,
            tenant: claim(&self.tenant).map(read_text).transpose()?,
        })
    }
}

fn read_roles(value: &Metadata<'_>) -> Result<Vec<Role>, &'static str> {
    let list = value.list().filter(|list| list.len() <= MAX_ROLES).ok_or("the token's roles are no list")?;
    let role =
        |one: &Metadata<'_>| one.text().map(|text| Role(text.to_owned())).ok_or("a role of the token is no text");
    list.iter().map(role).collect()
}

fn read_text(value: &Metadata<'_>) -> Result<String, &'static str> {
    value.text().map(str::to_owned).ok_or("a claim of the token is no text")
}

/// Metadata has only doubles. A whole one below 2^53 is exact; anything else was no time in seconds.
#[expect(clippy::cast_possible_truncation, reason = "the value is whole and below 2^53")]
fn read_seconds(value: &Metadata<'_>) -> Result<i64, &'static str> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let seconds = value.number().filter(|seconds| seconds.fract() == 0.0 && (0.0..EXACT).contains(seconds));
    seconds.map(|seconds| seconds as i64).ok_or("the token's sign-in time is no time in seconds")
}
