//! Signed tokens by which this server shows a provider who it is, used for as long as they are good.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::Value;

use crate::keys::base64;

/// Signing failed, which a sound key never makes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the token could not be signed")]
pub(crate) struct NotSigned;

/// With a key on P-256.
pub(crate) fn es256(
    key: &EcdsaKeyPair,
    header: &Value,
    claims: &Value,
) -> Result<String, NotSigned> {
    let said = said(header, claims);
    let signature = key.sign(&SystemRandom::new(), said.as_bytes()).map_err(|_| NotSigned)?;
    Ok(format!("{said}.{}", base64(signature)))
}

/// With a key of RSA.
pub(crate) fn rs256(key: &RsaKeyPair, header: &Value, claims: &Value) -> Result<String, NotSigned> {
    let said = said(header, claims);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), said.as_bytes(), &mut signature)
        .map_err(|_| NotSigned)?;
    Ok(format!("{said}.{}", base64(signature)))
}

fn said(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64(header.to_string()), base64(claims.to_string()))
}

/// Seconds since 1970.
pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
