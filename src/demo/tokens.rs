//! A throw-away token issuer: signs JWTs with ES256, and publishes the key that Envoy's `jwt_authn` checks them with.
//!
//! Tollgate itself never sees the key: it reads the payload that Envoy verified.

use std::time::Duration;

use anyhow::Context as _;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::pki::now;

const KEY_ID: &str = "demo";

/// Long enough to play with the demo for a working day.
const LIVES_FOR: Duration = Duration::from_hours(12);

/// Who signs the tokens of one laboratory.
pub struct TokenIssuer {
    name: String,
    key: EncodingKey,
    jwks: String,
}

impl TokenIssuer {
    /// `name` is the `iss` claim.
    pub fn try_new(name: impl Into<String>) -> anyhow::Result<Self> {
        let pair = KeyPair::generate().context("can't generate the token key")?;
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).context("can't read the token key back")?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).context("can't derive the public token key")?;
        public.common.key_id = Some(KEY_ID.to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let jwks = serde_json::to_string(&JwkSet { keys: vec![public] }).context("can't write the key set")?;
        Ok(Self { name: name.into(), key, jwks })
    }

    /// The `iss` claim.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half, as a JSON Web Key Set.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A signed token with these claims. `iss`, `iat` and `exp` are added where the claims do not say otherwise.
    pub fn token(&self, claims: Value) -> anyhow::Result<String> {
        let Value::Object(claims) = claims else {
            anyhow::bail!("the claims of a token are a JSON object, and these are not: {claims}");
        };
        let mut all = json!({ "iss": self.name, "iat": now(), "exp": now() + LIVES_FOR.as_secs() });
        if let Some(all) = all.as_object_mut() {
            all.extend(claims);
        }
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &all, &self.key).context("can't sign a token")
    }
}
