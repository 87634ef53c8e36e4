//! The list `[[tenants]]`: the applications of one install, each with keys, origins and limits of its own.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use platform::secret::Secret;
use platform::token::{AuthConfig, Signer, TokenSetupError};
use proto::id::{IdError, TenantId};
use serde::{Deserialize, Serialize};

use super::DevSigners;

/// One tenant. Its users, conversations and operators are apart from those of all others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// Id of the tenant: at most 32 of a-z, 0-9 and `-`. `default` is the tenant of the section `auth`. It is stored
    /// with all data of the tenant and never changes.
    pub id: String,
    /// As `auth.hs256_secret`. A tenant needs at least one key, and no two tenants may have the same.
    pub hs256_secret: Secret,
    /// As `auth.hs256_secret_file`.
    pub hs256_secret_file: Option<PathBuf>,
    /// As `auth.public_key_file`.
    pub public_key_file: Option<PathBuf>,
    /// As `auth.jwks_file`.
    pub jwks_file: Option<PathBuf>,
    /// The `aud` that tokens of this tenant must have, if set.
    pub audience: Option<String>,
    /// The `iss` that tokens of this tenant must have, if set. Set it when there are many tenants: it selects the key
    /// of a token.
    pub issuer: Option<String>,
    /// Whether anybody can get a token of this tenant for any name, signed with its HS256 secret. For trials only.
    pub dev_tokens: bool,
    /// Origins of web pages that may open sockets for users of this tenant, besides pages of the same host.
    pub origins: Vec<String>,
    /// Maximum number of sockets of the tenant at one gateway; further ones are refused. 0: no limit but that of the
    /// gateway.
    pub connections: usize,
    /// Writing requests of all users of the tenant per second at one gateway; further ones are refused. 0: no limit.
    pub messages_per_second: u32,
}

/// A mistake in the list.
#[derive(Debug, thiserror::Error)]
pub enum TenantsError {
    /// The id cannot name a tenant.
    #[error("tenants: `{id}` cannot name a tenant: {error}")]
    NotAnId {
        /// The id.
        id: String,
        /// Why not.
        error: IdError,
    },
    /// It is the tenant of the section `auth`.
    #[error("tenants: `default` is the tenant of the section `auth`; give its keys there")]
    Default,
    /// Two have one id.
    #[error("tenants: `{0}` stands there twice")]
    Twice(TenantId),
    /// Its development tokens cannot be signed.
    #[error(transparent)]
    DevTokens(#[from] TokenSetupError),
}

/// The list, checked.
#[derive(Debug, Clone, Default)]
pub struct TenantList(Vec<(TenantId, TenantConfig)>);

impl TenantList {
    /// Finds every mistake but those in keys, which the verifier finds.
    pub fn new(configs: &[TenantConfig]) -> Result<Self, Vec<TenantsError>> {
        let (mut list, mut seen, mut wrong) = (Vec::new(), HashSet::new(), Vec::new());
        for config in configs {
            match TenantId::parse(&config.id) {
                Err(error) => {
                    wrong.push(TenantsError::NotAnId { id: config.id.clone(), error });
                }
                Ok(id) if id.is_default() => wrong.push(TenantsError::Default),
                Ok(id) if !seen.insert(id) => wrong.push(TenantsError::Twice(id)),
                Ok(id) => list.push((id, config.clone())),
            }
        }
        if wrong.is_empty() { Ok(Self(list)) } else { Err(wrong) }
    }

    /// The tenants and their configurations.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TenantId, &TenantConfig)> {
        self.0.iter().map(|(id, config)| (*id, config))
    }

    /// What makes development tokens, of the tenants that have them.
    pub fn dev_signers(&self) -> Result<DevSigners, Vec<TenantsError>> {
        let (mut signers, mut wrong) = (DevSigners::default(), Vec::new());
        for (id, config) in self.iter().filter(|(_, config)| config.dev_tokens) {
            match Signer::of_tenant(id.as_str(), &config.auth()) {
                Ok(signer) => signers.add(id, Arc::new(signer)),
                Err(error) => wrong.push(error.into()),
            }
        }
        if wrong.is_empty() { Ok(signers) } else { Err(wrong) }
    }
}

impl TenantConfig {
    /// Its keys, as a verifier and a signer read them.
    pub fn auth(&self) -> AuthConfig {
        AuthConfig {
            hs256_secret: self.hs256_secret.clone(),
            hs256_secret_file: self.hs256_secret_file.clone(),
            public_key_file: self.public_key_file.clone(),
            jwks_file: self.jwks_file.clone(),
            audience: self.audience.clone(),
            issuer: self.issuer.clone(),
            dev_tokens: self.dev_tokens,
            ..AuthConfig::default()
        }
    }

    /// The keys of all tenants, by their ids.
    pub fn keys(configs: &[Self]) -> Vec<(String, AuthConfig)> {
        configs.iter().map(|config| (config.id.clone(), config.auth())).collect()
    }
}
