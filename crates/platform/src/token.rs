//! Tokens: verified by one rule for sockets, REST and everything else, after RFC 8725.
//!
//! The algorithm is fixed by the configured key, never taken from the token; `none`, an embedded
//! key and a key address in the header are refused. Must not know what a user may do.

mod keyring;
mod keys;
mod ring;
mod rotation;
mod shown;
mod sign;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

pub use ring::Reread;
pub use rotation::rotate;
pub use sign::{NewToken, SignError, Signer};
pub use verify::Verifier;

/// How tokens are verified. At least one key must be configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Shared secret for HS256, at least 16 bytes.
    pub hs256_secret: Secret,
    /// File with one shared secret per line: the first one signs, all of them verify; surrounding spaces are ignored.
    /// This file, `public_key_file` and `jwks_file` are read again within 10 s of a change, and at SIGHUP.
    pub hs256_secret_file: Option<PathBuf>,
    /// File with a PEM public key: Ed25519 (EdDSA), P-256 (ES256) or RSA (RS256).
    pub public_key_file: Option<PathBuf>,
    /// File with a JSON Web Key Set; the `kid` of a token must equal that of one of its keys.
    pub jwks_file: Option<PathBuf>,
    /// The `aud` that tokens must have, if set.
    pub audience: Option<String>,
    /// The `iss` that tokens must have, if set.
    pub issuer: Option<String>,
    /// Clock difference that is tolerated when tokens are checked, in seconds.
    pub leeway_secs: u64,
    /// Whether anybody can get a token for any name, signed with the HS256 secret. For trials only.
    pub dev_tokens: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            hs256_secret: Secret::default(),
            hs256_secret_file: None,
            public_key_file: None,
            jwks_file: None,
            audience: None,
            issuer: None,
            leeway_secs: 5,
            dev_tokens: false,
        }
    }
}

impl AuthConfig {
    /// Whether it names a key.
    pub fn names_a_key(&self) -> bool {
        !self.hs256_secret.is_empty()
            || self.hs256_secret_file.is_some()
            || self.public_key_file.is_some()
            || self.jwks_file.is_some()
    }
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The user id.
    pub sub: String,
    /// When the token ends, in Unix seconds.
    pub exp: u64,
    /// Display name.
    #[serde(default)]
    pub name: Option<String>,
    /// Address of a picture.
    #[serde(default)]
    pub avatar: Option<String>,
    /// What the user is beyond a user, such as `admin`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Names the device.
    #[serde(default)]
    pub device: Option<String>,
    /// Names the token.
    #[serde(default)]
    pub jti: Option<String>,
    /// When the token was issued, in Unix seconds.
    #[serde(default)]
    pub iat: Option<u64>,
    /// Who made the token.
    #[serde(default)]
    pub iss: Option<String>,
    /// The tenant whose key has verified it; empty where that is a key of the section `auth`. Whatever the token says.
    #[serde(skip)]
    pub tenant: Arc<str>,
}

/// Longest token in bytes that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Why a token is refused. The text is the close reason: short, and nothing of the token in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("no token")]
    Missing,
    /// It is longer than any that is read.
    #[error("the token is larger than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// It is not a signed token, or a claim has the wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// Its algorithm is not the configured key's.
    #[error("the token's algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// No configured key has made it.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It says that it was made later than now.
    #[error("the token was issued in the future: check the clock of its issuer")]
    IssuedInFuture,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// It was made by somebody else.
    #[error("the token is by another issuer")]
    WrongIssuer,
    /// It names another tenant than that of the key that made it.
    #[error("the token names another tenant than that of its key")]
    WrongTenant,
    /// `sub` or `exp` is missing.
    #[error("the token lacks a claim: sub and exp are required")]
    MissingClaim,
    /// It was taken back.
    #[error("the token has been revoked")]
    Revoked,
    /// `sub` cannot be a user.
    #[error(
        "the token's sub is not a user id: 1 to 64 letters, digits and . _ - @ : +, not . or .."
    )]
    BadSubject,
    /// `device` cannot be a device: without it each connection would be a device of its own.
    #[error(
        "the token's device is not a device id: 1 to 64 letters, digits and . _ - @ : +, not . or .."
    )]
    BadDevice,
}

/// The part of the configuration that names keys, as mistakes in it are told.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Section(Arc<str>);

impl Section {
    /// The section `auth`.
    pub fn auth() -> Self {
        Self(Arc::from("auth"))
    }

    /// The keys of a tenant.
    pub fn tenant(id: &str) -> Self {
        Self(Arc::from(format!("tenants.{id}")))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why tokens cannot be verified at all: a mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TokenSetupError {
    /// No key at all: every token would be refused.
    #[error("{section}: set one of hs256_secret, hs256_secret_file, public_key_file, jwks_file")]
    NoKey {
        /// Where one is missing.
        section: Section,
    },
    /// Tokens are to be signed and there is no secret to sign with.
    #[error("{section}: signing tokens needs hs256_secret or hs256_secret_file")]
    NoSecret {
        /// Where it is missing.
        section: Section,
    },
    /// A token of this key would belong to two tenants.
    #[error(
        "{other}: has a key that {one} has, too; a key says whose token it is, so no two may share one"
    )]
    SameKey {
        /// Who has it.
        one: Section,
        /// And who as well.
        other: Section,
    },
    /// A bad token would cost too many signatures.
    #[error(
        "{section}: more than {most} keys of tenants are told apart by trying alone; set `issuer` of each tenant"
    )]
    TooManyAlike {
        /// Whose key is one too many.
        section: Section,
        /// How many there may be.
        most: usize,
    },
    /// A file cannot be read.
    #[error("{section}.{key}: {} cannot be read", path.display())]
    Unreadable {
        /// The section.
        section: Section,
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or secret is not a usable key.
    #[error("{section}.{key}: {reason}")]
    BadKey {
        /// The section.
        section: Section,
        /// The configuration key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl TokenSetupError {
    /// The same mistake, made in this section.
    fn within(mut self, place: &Section) -> Self {
        match &mut self {
            Self::NoKey { section }
            | Self::NoSecret { section }
            | Self::TooManyAlike { section, .. }
            | Self::Unreadable { section, .. }
            | Self::BadKey { section, .. } => *section = place.clone(),
            Self::SameKey { .. } => {}
        }
        self
    }
}
