//! Who sends: VAPID (RFC 8292). One token for each push service, used again until it is half through its time.

use std::collections::HashMap;

use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _};
use parking_lot::Mutex;
use serde_json::json;

use crate::jwt::{NotSigned, es256, now_secs};
use crate::keys::base64;

/// How long a token is good; the standard allows a day.
const GOOD_SECS: u64 = 12 * 3_600;
/// Tokens that are kept: there are a handful of push services, but clients name them.
const KEPT: usize = 64;

pub(crate) struct Vapid {
    key: EcdsaKeyPair,
    /// The public half, for the header and for browsers.
    public: String,
    subject: String,
    tokens: Mutex<HashMap<String, Token>>,
}

struct Token {
    header: String,
    expires_secs: u64,
}

impl Vapid {
    /// Signs with a key; `subject` says whom a push service writes to.
    pub(crate) fn new(key: EcdsaKeyPair, subject: String) -> Self {
        let public = base64(key.public_key());
        Self { key, public, subject, tokens: Mutex::default() }
    }

    /// The public half of the key.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` for the push service of an origin.
    pub(crate) fn header(&self, origin: &str) -> Result<String, NotSigned> {
        self.header_at(origin, now_secs())
    }

    fn header_at(&self, origin: &str, now_secs: u64) -> Result<String, NotSigned> {
        if let Some(token) = self.tokens.lock().get(origin)
            && token.expires_secs > now_secs + GOOD_SECS / 2
            && token.expires_secs <= now_secs + GOOD_SECS
        {
            return Ok(token.header.clone());
        }
        let expires_secs = now_secs + GOOD_SECS;
        let claims = json!({ "aud": origin, "exp": expires_secs, "sub": self.subject });
        let jwt = es256(&self.key, &json!({ "typ": "JWT", "alg": "ES256" }), &claims)?;
        let header = format!("vapid t={jwt}, k={}", self.public);
        let mut tokens = self.tokens.lock();
        if tokens.len() >= KEPT {
            tokens.clear();
        }
        tokens.insert(origin.to_owned(), Token { header: header.clone(), expires_secs });
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::p256;

    #[test]
    fn a_token_is_used_again_until_half_of_its_time_and_is_for_one_origin() {
        let key = p256("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let vapid = Vapid::new(key, "mailto:ops@example.com".to_owned());
        let at = |origin: &str, secs| vapid.header_at(origin, secs).unwrap();
        let first = at("https://a.example", 1_000);
        assert_eq!(at("https://a.example", 1_000 + GOOD_SECS / 2 - 1), first);
        assert_ne!(at("https://b.example", 1_000), first);
        assert_ne!(at("https://a.example", 1_000 + GOOD_SECS / 2), first);
        // The clock was set back: a token of the future would be refused.
        let later = at("https://a.example", 99_000_000);
        assert_ne!(at("https://a.example", 1_000), later);
        for n in 0..200 {
            at(&format!("https://{n}.example"), 1_000);
        }
        assert!(vapid.tokens.lock().len() <= KEPT);
    }
}
