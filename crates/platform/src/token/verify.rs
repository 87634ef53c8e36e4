//! Verification: which key may have made a token, and whether it did.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use super::keyring::{Held, Keyring, Realm, Rules};
use super::ring::{Reread, Ring};
use super::{AuthConfig, Claims, MAX_TOKEN_BYTES, Section, TokenError, TokenSetupError};

/// Verifies tokens with the configured keys. The key that has made a token says which tenant its user is of.
pub struct Verifier {
    keys: RwLock<Arc<Keyring>>,
    realms: Mutex<Vec<Realm>>,
    has_tenants: bool,
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
        Self::prepare(config, &[]).map_err(|mut wrong| wrong.swap_remove(0))
    }

    /// Reads the configured keys, those of tenants by their ids, and tells every mistake. With tenants the section
    /// `auth` need not name a key: then nobody is of the tenant that has none.
    pub fn prepare(
        config: &AuthConfig,
        tenants: &[(String, AuthConfig)],
    ) -> Result<Self, Vec<TokenSetupError>> {
        let (mut realms, mut wrong) = (Vec::new(), Vec::new());
        let has_auth = tenants.is_empty() || config.names_a_key();
        let auth = has_auth.then_some(("", Section::auth(), config));
        let tenants = tenants.iter().map(|(id, config)| (id.as_str(), Section::tenant(id), config));
        for (tenant, section, config) in auth.into_iter().chain(tenants) {
            match Ring::read(&section, config) {
                Ok(ring) => realms.push(Realm {
                    section,
                    tenant: Arc::from(tenant),
                    ring,
                    rules: Rules {
                        audience: config.audience.clone(),
                        issuer: config.issuer.clone(),
                    },
                }),
                Err(found) => wrong.extend(found),
            }
        }
        let keyring = match Keyring::new(&realms) {
            Ok(keyring) if wrong.is_empty() => keyring,
            Ok(_) => return Err(wrong),
            Err(found) => {
                wrong.extend(found);
                return Err(wrong);
            }
        };
        Ok(Self {
            keys: RwLock::new(Arc::new(keyring)),
            has_tenants: realms.iter().any(|realm| !realm.tenant.is_empty()),
            realms: Mutex::new(realms),
            leeway_secs: config.leeway_secs,
        })
    }

    /// Reads the key files again. What is not usable any more stays as it was; so does what has become the key of
    /// another tenant, too.
    pub fn reread(&self) -> Reread {
        let mut realms = self.realms.lock();
        let mut all = Reread::default();
        for place in 0..realms.len() {
            let realm = &mut realms[place];
            let before = realm.ring.clone();
            let mut reread = realm.ring.reread();
            if !reread.changed.is_empty() {
                match Keyring::new(&realms) {
                    Ok(keyring) => *self.keys.write() = Arc::new(keyring),
                    Err(wrong) => {
                        realms[place].ring = before;
                        reread.changed.clear();
                        reread.failed.extend(wrong);
                    }
                }
            }
            all.changed.extend(reread.changed);
            all.failed.extend(reread.failed);
        }
        all
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
        let issuer = if keys.names_issuers { said_issuer(token) } else { None };
        for held in keys.candidates(header.alg, header.kid.as_deref(), issuer.as_deref()) {
            let Held { key, .. } = held;
            match decode::<Value>(token, &key.verifying, &signature_only(key.algorithm)) {
                Ok(decoded) => return self.check(decoded.claims, held, now),
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
    fn check(&self, claims: Value, held: &Held, now: SystemTime) -> Result<Claims, TokenError> {
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
        if self.has_tenants && !names(&claims, &held.tenant) {
            return Err(TokenError::WrongTenant);
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
        claims.tenant = Arc::clone(&held.tenant);
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
        let audience_fits = match (&held.rules.audience, &audience) {
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
        match &held.rules.issuer {
            Some(ours) if issuer.as_ref().and_then(Value::as_str) != Some(ours) => {
                Err(TokenError::WrongIssuer)
            }
            _ => Ok(claims),
        }
    }
}

/// Whether a token is of this tenant by its own word, or says nothing of it.
fn names(claims: &Value, tenant: &str) -> bool {
    const WITHOUT_KEYS_OF_ITS_OWN: &str = "default";
    let tenant = if tenant.is_empty() { WITHOUT_KEYS_OF_ITS_OWN } else { tenant };
    match claims.get("tenant") {
        None | Some(Value::Null) => true,
        Some(said) => said.as_str() == Some(tenant),
    }
}

/// What a token says of its issuer; nothing of it is believed yet.
fn said_issuer(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1).and_then(raw_part)?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Whole seconds of a NumericDate, which may have a fraction (RFC 7519 section 2).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within 0 and 10^15, and its fraction is to go"
)]
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
        .and_then(raw_part)
        .is_none_or(|header| header.get("crit").is_some() || header.get("jku").is_some());
    header.jwk.is_some()
        || header.jku.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || extensions
}

fn raw_part(part: &str) -> Option<Value> {
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
