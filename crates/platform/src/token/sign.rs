//! Signing, for development tokens and for `tidings token`. A cluster's tokens come from elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use parking_lot::RwLock;
use serde::Serialize;

use super::{AuthConfig, Section, TokenSetupError, keys};
use crate::secret::Secret;

/// What a new token says.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewToken {
    /// The user id.
    pub sub: String,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// What the user is beyond a user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Names the device that alone uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Names the token, so that it can be revoked by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// How long it lasts.
    #[serde(skip)]
    pub ttl: Duration,
}

/// The library failed to sign.
#[derive(Debug, thiserror::Error)]
#[error("the token cannot be signed")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);

/// Signs tokens with a shared secret.
pub struct Signer {
    section: Section,
    key: RwLock<EncodingKey>,
    /// Where the secret is read again from.
    config: Option<AuthConfig>,
    audience: Option<String>,
    issuer: Option<String>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs with HS256, whatever the length of the secret.
    pub fn hs256(secret: &Secret, audience: Option<String>, issuer: Option<String>) -> Self {
        let key = RwLock::new(EncodingKey::from_secret(secret.expose().as_bytes()));
        Self { section: Section::auth(), key, config: None, audience, issuer }
    }

    /// Signs what a [`super::Verifier`] of the same configuration takes.
    pub fn from_config(config: &AuthConfig) -> Result<Self, TokenSetupError> {
        Self::of_section(Section::auth(), config)
    }

    /// The same for a tenant.
    pub fn of_tenant(tenant: &str, config: &AuthConfig) -> Result<Self, TokenSetupError> {
        Self::of_section(Section::tenant(tenant), config)
    }

    fn of_section(section: Section, config: &AuthConfig) -> Result<Self, TokenSetupError> {
        Ok(Self {
            key: RwLock::new(signing_key(&section, config)?),
            section,
            config: Some(config.clone()),
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
        })
    }

    /// Reads the secret again; it stays as it was when that fails.
    pub fn reread(&self) -> Result<(), TokenSetupError> {
        if let Some(config) = &self.config {
            *self.key.write() = signing_key(&self.section, config)?;
        }
        Ok(())
    }

    /// A token that begins now. The second part is when it ends, in Unix seconds.
    pub fn sign(&self, token: &NewToken, now: SystemTime) -> Result<(String, u64), SignError> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            token: &'a NewToken,
            iat: u64,
            exp: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            iss: Option<&'a str>,
        }
        let iat = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let exp = iat.saturating_add(token.ttl.as_secs());
        let body =
            Body { token, iat, exp, aud: self.audience.as_deref(), iss: self.issuer.as_deref() };
        Ok((encode(&Header::default(), &body, &self.key.read())?, exp))
    }
}

/// The first secret.
fn signing_key(section: &Section, config: &AuthConfig) -> Result<EncodingKey, TokenSetupError> {
    let secrets = keys::secrets(config).map_err(|error| error.within(section))?;
    let no_secret = || TokenSetupError::NoSecret { section: section.clone() };
    let secret = secrets.first().ok_or_else(no_secret)?;
    Ok(EncodingKey::from_secret(secret))
}
