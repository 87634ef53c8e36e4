//! Verification: which key may have made a token, and whether it did.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use super::keys::Key;
use super::ring::{Reread, Ring};
use super::{AuthConfig, Claims, MAX_TOKEN_BYTES, TokenError, TokenSetupError};

/// Verifies tokens with the configured keys.
pub struct Verifier {
    keys: RwLock<Arc<[Key]>>,
    ring: Mutex<Ring>,
    audience: Option<String>,
    issuer: Option<String>,
    leeway_secs: u64,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.read().len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads the configured keys; the first mistake where there are several.
    pub fn from_config(config: &AuthConfig) -> Result<Self, TokenSetupError> {
        Self::prepare(config).map_err(|mut wrong| wrong.swap_remove(0))
    }

    /// Reads the configured keys, and tells every mistake.
    pub fn prepare(config: &AuthConfig) -> Result<Self, Vec<TokenSetupError>> {
        let ring = Ring::read(config)?;
        Ok(Self {
            keys: RwLock::new(ring.keys()),
            ring: Mutex::new(ring),
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
            leeway_secs: config.leeway_secs,
        })
    }

    /// Reads the key files again. What is not usable any more stays as it was.
    pub fn reread(&self) -> Reread {
        let mut ring = self.ring.lock();
        let reread = ring.reread();
        if !reread.changed.is_empty() {
            *self.keys.write() = ring.keys();
        }
        reread
    }

    /// Verifies a token at a moment.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
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
        let keys = Arc::clone(&self.keys.read());
        let candidates = keys.iter().filter(|key| {
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
        match claims.get("sub") {
            None | Some(Value::Null) => return Err(TokenError::MissingClaim),
            Some(Value::String(sub)) if !sub.is_empty() => {}
            Some(_) => return Err(TokenError::BadSubject),
        }
        let mut claims = claims;
        claims["exp"] = Value::from(expires);
        if let Some(issued) = claims.get("iat").filter(|value| !value.is_null()) {
            claims["iat"] = Value::from(seconds(issued).ok_or(TokenError::Malformed)?);
        }
        if issuer.as_ref().is_some_and(|issuer| !issuer.is_string()) {
            claims["iss"] = Value::Null;
        }
        let mut claims: Claims =
            serde_json::from_value(claims).map_err(|_| TokenError::Malformed)?;
        claims.clean();
        if expires.saturating_add(self.leeway_secs) <= now_secs {
            return Err(TokenError::Expired);
        }
        if not_before > now_secs.saturating_add(self.leeway_secs) {
            return Err(TokenError::NotYetValid);
        }
        // It would outlive the end of all that were issued up to now.
        if claims.iat.is_some_and(|issued| issued > now_secs.saturating_add(self.leeway_secs)) {
            return Err(TokenError::IssuedInFuture);
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
        if !audience_fits {
            return Err(TokenError::WrongAudience);
        }
        match &self.issuer {
            Some(ours) if issuer.as_ref().and_then(Value::as_str) != Some(ours) => {
                Err(TokenError::WrongIssuer)
            }
            _ => Ok(claims),
        }
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
