//! The keys that tokens are verified with, each with the one algorithm it is used for.

use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::{AuthConfig, Section, TokenSetupError};

/// Shortest HS256 secret in bytes that is accepted; 32 is what RFC 7518 section 3.2 asks for.
const MIN_SECRET_BYTES: usize = 16;
/// A point of P-256 as it stands in a key: a byte that says uncompressed, then x and y.
const P256_POINT_BYTES: usize = 65;

/// Configuration keys of files with keys.
pub(super) const SECRET_FILE: &str = "hs256_secret_file";
pub(super) const PUBLIC_KEY_FILE: &str = "public_key_file";
pub(super) const KEY_SET_FILE: &str = "jwks_file";

/// One key.
#[derive(Clone)]
pub(super) struct Key {
    /// From a key set: the token must name it.
    pub(super) id: Option<String>,
    /// The only one that this key is used with.
    pub(super) algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
}

pub(super) fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, TokenSetupError> {
    std::fs::read(path).map_err(|source| TokenSetupError::Unreadable {
        section: Section::auth(),
        key,
        path: path.to_owned(),
        source,
    })
}

fn bad(key: &'static str, path: &Path, reason: &str) -> TokenSetupError {
    TokenSetupError::BadKey {
        section: Section::auth(),
        key,
        reason: format!("{}: {reason}", path.display()),
    }
}

/// The keys of a file, as the configuration key that names it says.
pub(super) fn of_file(
    key: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<Key>, TokenSetupError> {
    match key {
        SECRET_FILE => {
            let secrets = secrets_in(bytes);
            long_enough(key, &format!("{}: ", path.display()), &secrets)?;
            Ok(secrets.into_iter().map(shared).collect())
        }
        PUBLIC_KEY_FILE => {
            public(bytes).map(|key| vec![key]).map_err(|reason| bad(key, path, reason))
        }
        _ => set(bytes).map_err(|reason| bad(key, path, &reason)),
    }
}

/// The shared secrets, each long enough; the first one signs.
pub(super) fn secrets(config: &AuthConfig) -> Result<Vec<Vec<u8>>, TokenSetupError> {
    let mut secrets: Vec<Vec<u8>> = inline(config)?.map(<[u8]>::to_vec).into_iter().collect();
    if let Some(path) = &config.hs256_secret_file {
        let bytes = read_file(SECRET_FILE, path)?;
        let found = secrets_in(&bytes);
        long_enough(SECRET_FILE, &format!("{}: ", path.display()), &found)?;
        secrets.extend(found.into_iter().map(<[u8]>::to_vec));
    }
    Ok(secrets)
}

/// The secret that stands in the configuration itself.
fn inline(config: &AuthConfig) -> Result<Option<&[u8]>, TokenSetupError> {
    let secret = config.hs256_secret.expose().as_bytes();
    if secret.is_empty() {
        return Ok(None);
    }
    long_enough("hs256_secret", "", &[secret])?;
    Ok(Some(secret))
}

/// The key of the secret that stands in the configuration itself.
pub(super) fn inline_key(config: &AuthConfig) -> Result<Option<Key>, TokenSetupError> {
    Ok(inline(config)?.map(shared))
}

/// Of a text each line is a secret, so that the one before stays good while it is replaced. What is no
/// text is one secret as a whole.
fn secrets_in(bytes: &[u8]) -> Vec<&[u8]> {
    if std::str::from_utf8(bytes).is_err() {
        return vec![bytes.trim_ascii()];
    }
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).collect()
}

fn long_enough(key: &'static str, place: &str, secrets: &[&[u8]]) -> Result<(), TokenSetupError> {
    if !secrets.is_empty() && secrets.iter().all(|secret| secret.len() >= MIN_SECRET_BYTES) {
        return Ok(());
    }
    let reason =
        format!("{place}a secret needs at least {MIN_SECRET_BYTES} bytes; 32 random ones are good");
    Err(TokenSetupError::BadKey { section: Section::auth(), key, reason })
}

fn shared(secret: &[u8]) -> Key {
    Key { id: None, algorithm: Algorithm::HS256, verifying: DecodingKey::from_secret(secret) }
}

fn public(pem: &[u8]) -> Result<Key, &'static str> {
    // The RSA reader would take it, verify nothing with it, and leave it lying on the server.
    if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
        return Err("this is a private key; the server needs its public half only");
    }
    let (algorithm, verifying) = if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        (Algorithm::EdDSA, key)
    } else if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        if key.try_get_as_bytes().map(<[u8]>::len) != Ok(P256_POINT_BYTES) {
            return Err("an elliptic curve key must be of P-256");
        }
        (Algorithm::ES256, key)
    } else if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        (Algorithm::RS256, key)
    } else {
        return Err("not a PEM public key of Ed25519, P-256 or RSA");
    };
    Ok(Key { id: None, algorithm, verifying })
}

#[derive(Deserialize)]
struct KeySet {
    /// Each read by itself: one that is not understood is passed over (RFC 7517 section 5).
    keys: Vec<Value>,
}

fn set(json: &[u8]) -> Result<Vec<Key>, String> {
    let set: KeySet = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut keys = Vec::new();
    let mut passed_over = Vec::new();
    for (place, key) in set.keys.into_iter().enumerate() {
        match of_set(key) {
            Ok(key) => keys.push(key),
            Err(reason) => passed_over.push(format!("key {}: {reason}", place + 1)),
        }
    }
    if keys.is_empty() {
        let reasons = passed_over.join("; ");
        return Err(format!(
            "no key in it verifies tokens{}{reasons}",
            if reasons.is_empty() { "" } else { ": " }
        ));
    }
    for reason in passed_over {
        tracing::warn!(reason, "a key of the key set is not used");
    }
    Ok(keys)
}

fn of_set(key: Value) -> Result<Key, String> {
    let jwk: Jwk = serde_json::from_value(key).map_err(|error| error.to_string())?;
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return Err("it is for encryption".to_owned());
    }
    let id = jwk.common.key_id.clone().ok_or("it has no `kid`")?;
    let algorithm = algorithm(&jwk)?;
    let verifying = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
    if let AlgorithmParameters::OctetKey(_) = jwk.algorithm
        && verifying.try_get_as_bytes().map_or(0, <[u8]>::len) < MIN_SECRET_BYTES
    {
        return Err(format!("a secret needs at least {MIN_SECRET_BYTES} bytes"));
    }
    Ok(Key { id: Some(id), algorithm, verifying })
}

/// What the key says, if that fits its kind; else the usual one of its kind. Never what a token says.
fn algorithm(jwk: &Jwk) -> Result<Algorithm, String> {
    use Algorithm::{
        ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
    };
    let fitting: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => &[EdDSA],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => &[ES256],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => &[ES384],
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::OctetKey(_) => &[HS256, HS384, HS512],
        _ => return Err("its kind is not supported".to_owned()),
    };
    match jwk.common.key_algorithm {
        None => Ok(fitting[0]),
        Some(named) => Algorithm::try_from(named)
            .ok()
            .filter(|algorithm| fitting.contains(algorithm))
            .ok_or_else(|| format!("its `alg` {named} does not verify tokens with such a key")),
    }
}
