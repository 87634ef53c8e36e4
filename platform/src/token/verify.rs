//! Verification: which key may have made a token, and whether it did.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::Value;

use super::{AuthConfig, Claims, TokenError, TokenSetupError};

/// Shortest HS256 secret in bytes that is accepted; 32 is what RFC 7518 section 3.2 asks for.
const MIN_SECRET_BYTES: usize = 16;
/// Longest token in bytes that is looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Verifies tokens with the configured keys.
pub struct Verifier {
    keys: Vec<Key>,
    audience: Option<String>,
    issuer: Option<String>,
    leeway_secs: u64,
}

struct Key {
    /// From a key set: the token must name it.
    id: Option<String>,
    /// The only one that this key is used with.
    algorithm: Algorithm,
    verifying: DecodingKey,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads the configured keys.
    pub fn from_config(config: &AuthConfig) -> Result<Self, TokenSetupError> {
        let mut keys = Vec::new();
        if !config.hs256_secret.is_empty() {
            keys.push(secret_key("hs256_secret", config.hs256_secret.expose().as_bytes())?);
        }
        if let Some(path) = &config.hs256_secret_file {
            let text = read("hs256_secret_file", path)?;
            keys.push(secret_key("hs256_secret_file", text.trim_ascii())?);
        }
        if let Some(path) = &config.public_key_file {
            keys.push(public_key(&read("public_key_file", path)?)?);
        }
        if let Some(path) = &config.jwks_file {
            keys.extend(key_set(&read("jwks_file", path)?)?);
        }
        if keys.is_empty() {
            return Err(TokenSetupError::NoKey);
        }
        Ok(Self {
            keys,
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
            leeway_secs: config.leeway_secs,
        })
    }

    /// Verifies a token at a moment.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            // An algorithm that is not even known, `none` among them.
            ErrorKind::InvalidAlgorithmName | ErrorKind::InvalidAlgorithm | ErrorKind::Json(_) => {
                TokenError::AlgorithmNotAllowed
            }
            _ => TokenError::Malformed,
        })?;
        if has_own_key(&header, token) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        let mut refusal = TokenError::AlgorithmNotAllowed;
        let candidates = self.keys.iter().filter(|key| {
            key.algorithm == header.alg && (key.id.is_none() || key.id == header.kid)
        });
        for key in candidates {
            match decode::<Value>(token, &key.verifying, &signature_only(key.algorithm)) {
                Ok(decoded) => return self.check(decoded.claims, now),
                Err(error) => {
                    refusal = match error.kind() {
                        ErrorKind::InvalidSignature => TokenError::BadSignature,
                        _ => TokenError::Malformed,
                    };
                }
            }
        }
        Err(refusal)
    }

    /// The claims of a token whose signature is good.
    fn check(&self, claims: Value, now: SystemTime) -> Result<Claims, TokenError> {
        let now_secs = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let audience = claims.get("aud").cloned();
        let issuer = claims.get("iss").cloned();
        // A `nbf` that is not a number must not count as absent.
        let not_before = match claims.get("nbf") {
            None | Some(Value::Null) => 0,
            Some(value) => seconds(value).ok_or(TokenError::Malformed)?,
        };
        let expires = match claims.get("exp") {
            None | Some(Value::Null) => return Err(TokenError::MissingClaim),
            Some(value) => seconds(value).ok_or(TokenError::Malformed)?,
        };
        if claims.get("sub").is_none_or(Value::is_null) {
            return Err(TokenError::MissingClaim);
        }
        let mut claims = claims;
        claims["exp"] = Value::from(expires);
        let claims: Claims = serde_json::from_value(claims).map_err(|_| TokenError::Malformed)?;
        if claims.sub.is_empty() {
            return Err(TokenError::MissingClaim);
        }
        if expires.saturating_add(self.leeway_secs) <= now_secs {
            return Err(TokenError::Expired);
        }
        if not_before > now_secs.saturating_add(self.leeway_secs) {
            return Err(TokenError::NotYetValid);
        }
        // A token made for somebody else is not for us, even when we name no audience ourselves.
        let audience_fits = match (&self.audience, &audience) {
            (None, None | Some(Value::Null)) => true,
            (Some(ours), Some(Value::String(theirs))) => ours == theirs,
            (Some(ours), Some(Value::Array(theirs))) => {
                theirs.iter().any(|their| their == ours.as_str())
            }
            _ => false,
        };
        let issuer_fits =
            self.issuer.as_ref().is_none_or(|ours| issuer == Some(Value::from(ours.as_str())));
        if audience_fits && issuer_fits { Ok(claims) } else { Err(TokenError::WrongAudience) }
    }
}

/// Whole seconds of a NumericDate, which may have a fraction (RFC 7519 section 2).
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        value.as_f64().filter(|secs| *secs >= 0.0 && *secs < 1e15).map(|secs| secs as u64)
    })
}

/// A token must not bring or name its own key, nor demand extensions.
fn has_own_key(header: &Header, token: &str) -> bool {
    let extensions = token
        .split('.')
        .next()
        .and_then(raw_header)
        .is_none_or(|header| header.get("crit").is_some() || header.get("jku").is_some());
    header.jwk.is_some()
        || header.jku.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || extensions
}

fn raw_header(part: &str) -> Option<Value> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The library checks the signature; the claims are checked here, with an injected clock and
/// without its lenient readings (a text `exp`, an ignored `nbf`).
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TokenSetupError> {
    std::fs::read(path).map_err(|source| TokenSetupError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}

fn secret_key(key: &'static str, secret: &[u8]) -> Result<Key, TokenSetupError> {
    if secret.len() < MIN_SECRET_BYTES {
        let reason =
            format!("a secret needs at least {MIN_SECRET_BYTES} bytes; 32 random ones are good");
        return Err(TokenSetupError::BadKey { key, reason });
    }
    Ok(Key { id: None, algorithm: Algorithm::HS256, verifying: DecodingKey::from_secret(secret) })
}

fn public_key(pem: &[u8]) -> Result<Key, TokenSetupError> {
    let readings = [
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
        (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
    ];
    readings
        .into_iter()
        .find_map(|(algorithm, key)| Some(Key { id: None, algorithm, verifying: key.ok()? }))
        .ok_or_else(|| TokenSetupError::BadKey {
            key: "public_key_file",
            reason: "not a PEM public key of Ed25519, P-256 or RSA".to_owned(),
        })
}

fn key_set(json: &[u8]) -> Result<Vec<Key>, TokenSetupError> {
    let bad = |reason: String| TokenSetupError::BadKey { key: "jwks_file", reason };
    let set: JwkSet = serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
    set.keys.iter().map(|jwk| set_key(jwk).map_err(bad)).collect()
}

fn set_key(jwk: &Jwk) -> Result<Key, String> {
    let id = jwk.common.key_id.clone().ok_or("every key of the set needs a `kid`")?;
    let name =
        jwk.common.key_algorithm.ok_or_else(|| format!("key {id}: needs an `alg`"))?.to_string();
    let algorithm: Algorithm =
        name.parse().map_err(|_| format!("key {id}: `{name}` does not sign tokens"))?;
    let verifying = DecodingKey::from_jwk(jwk).map_err(|error| format!("key {id}: {error}"))?;
    Ok(Key { id: Some(id), algorithm, verifying })
}
