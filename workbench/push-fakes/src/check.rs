//! What several providers check: tokens, signatures, times.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A rule that is broken.
pub(crate) type Broken = String;

/// Breaks the rule unless it holds.
pub(crate) fn that(holds: bool, rule: &str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

pub(crate) fn unbase64(text: &str) -> Result<Vec<u8>, Broken> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("no Base64 without padding: {text}"))
}

pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// How a token is signed.
#[derive(Clone, Copy)]
pub(crate) enum Signed<'k> {
    /// With a point of P-256.
    Es256(&'k [u8]),
    /// With the DER of a key of RSA.
    Rs256(&'k [u8]),
}

/// The header and the claims of a token whose signature is right.
pub(crate) fn jwt(token: &str, signed: Signed<'_>) -> Result<(Value, Value), Broken> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("a token has three parts".to_owned());
    };
    let said = format!("{header}.{claims}");
    let signature = unbase64(signature)?;
    let json = |part: &str| -> Result<Value, Broken> {
        serde_json::from_slice(&unbase64(part)?).map_err(|_| "a part is no JSON".to_owned())
    };
    let (name, verified) = match signed {
        Signed::Es256(key) => {
            let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key);
            ("ES256", key.verify(said.as_bytes(), &signature))
        }
        Signed::Rs256(key) => {
            let key = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key);
            ("RS256", key.verify(said.as_bytes(), &signature))
        }
    };
    that(verified.is_ok(), "the signature of the token is wrong")?;
    let header = json(header)?;
    that(header["alg"] == name, "`alg` of the token is wrong")?;
    Ok((header, json(claims)?))
}

/// A claim that is a number.
pub(crate) fn number(claims: &Value, name: &str) -> Result<u64, Broken> {
    claims[name].as_u64().ok_or_else(|| format!("`{name}` of the token is no number"))
}

/// A header that is there.
pub(crate) fn header<'r>(headers: &'r http::HeaderMap, name: &str) -> Result<&'r str, Broken> {
    let value = headers.get(name).ok_or_else(|| format!("the header {name} is missing"))?;
    value.to_str().map_err(|_| format!("the header {name} is no text"))
}
