//! Tokens for the fleet's own users, signed with the secret the gateways verify with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

use crate::values::Secret;

/// A token outlives every run: it is made anew for each connection.
const TTL: Duration = Duration::from_hours(12);

/// Signs HS256 tokens.
pub struct Signer {
    key: EncodingKey,
    audience: Option<String>,
    issuer: Option<String>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    iat: u64,
    name: &'a str,
    device: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
}

impl Signer {
    /// Signs with `secret`.
    pub fn new(secret: &Secret, audience: Option<String>, issuer: Option<String>) -> Self {
        let key = EncodingKey::from_secret(secret.expose().as_bytes());
        Self { key, audience, issuer }
    }

    /// A token for a user, on the one device it has.
    pub fn sign(&self, user: &str) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign_as(user, &[])
    }

    /// The same with roles.
    pub fn sign_as(
        &self,
        user: &str,
        roles: &[&str],
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            sub: user,
            exp: iat + TTL.as_secs(),
            iat,
            name: user,
            device: "fleet",
            roles,
            aud: self.audience.as_deref(),
            iss: self.issuer.as_deref(),
        };
        self.sign_claims(&claims)
    }

    /// A token that says just this.
    pub fn sign_claims(
        &self,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        encode(&Header::default(), claims, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn a_token_names_the_user_and_its_device() {
        let secret = Secret::from("a secret of at least thirty-two bytes".to_owned());
        let token = Signer::new(&secret, Some("chat".to_owned()), None).sign("ann").unwrap();
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        let mut validation = Validation::default();
        validation.set_audience(&["chat"]);
        let claims = decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(
            (claims["sub"].as_str(), claims["device"].as_str()),
            (Some("ann"), Some("fleet"))
        );
    }
}
