//! The token that shows Apple who sends. Apple refuses one that is older than 60 minutes, and a sender that makes one more
//! often than every 20. The processes of a cluster are one sender: what they make in the same half hour is of the same time.

use aws_lc_rs::signature::EcdsaKeyPair;
use parking_lot::Mutex;
use serde_json::json;

use crate::jwt::{NotSigned, es256, now_secs};

/// How long one is used.
const USED_SECS: u64 = 45 * 60;
/// The time of each is a multiple of this, so it is the least time between two of them.
const BETWEEN_SECS: u64 = 30 * 60;

pub(super) struct ProviderToken {
    key: EcdsaKeyPair,
    key_id: String,
    team_id: String,
    present: Mutex<Option<(String, u64)>>,
    /// Apple did not take the present one, which is too young to be replaced.
    refused: Mutex<Option<String>>,
}

impl ProviderToken {
    pub(super) fn new(key: EcdsaKeyPair, key_id: String, team_id: String) -> Self {
        Self { key, key_id, team_id, present: Mutex::default(), refused: Mutex::default() }
    }

    /// The one to use now.
    pub(super) fn present(&self) -> Result<String, NotSigned> {
        self.at(now_secs())
    }

    /// Apple took it for too old: the next one is made as soon as Apple allows that.
    pub(super) fn forget(&self, token: &str) {
        *self.refused.lock() = Some(token.to_owned());
    }

    fn at(&self, now_secs: u64) -> Result<String, NotSigned> {
        let mut present = self.present.lock();
        if let Some((token, made)) = &*present {
            let age = now_secs.checked_sub(*made);
            let is_refused = self.refused.lock().as_ref() == Some(token);
            // One of the future is of a clock that was set back.
            let is_good = match age {
                Some(age) if is_refused => age < BETWEEN_SECS,
                Some(age) => age < USED_SECS,
                None => false,
            };
            if is_good {
                return Ok(token.clone());
            }
        }
        let header = json!({ "alg": "ES256", "kid": self.key_id });
        let made = now_secs - now_secs % BETWEEN_SECS;
        let token = es256(&self.key, &header, &json!({ "iss": self.team_id, "iat": made }))?;
        *present = Some((token.clone(), made));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::p256;

    #[test]
    fn a_token_is_used_for_45_minutes_and_a_refused_one_for_30() {
        let key = p256("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let token = ProviderToken::new(key, "KEY".to_owned(), "TEAM".to_owned());
        let at = |secs| token.at(secs).unwrap();
        let first = at(10_800);
        assert_eq!(at(10_800 + USED_SECS - 1), first);
        token.forget(&first);
        assert_eq!(at(10_800 + BETWEEN_SECS - 1), first, "Apple allows no other one yet");
        let second = at(10_800 + BETWEEN_SECS);
        assert_ne!(second, first);
        assert_eq!(at(10_800 + BETWEEN_SECS + 30 * 60), second);
        assert_ne!(at(5_000), second, "the clock was set back");
    }
}
