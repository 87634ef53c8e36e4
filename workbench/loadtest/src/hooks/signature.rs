//! Whether a delivery is signed, as <https://www.standardwebhooks.com> says: HMAC-SHA256 over id, time and body.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verdict::hooks::Signature;

/// A signature of another time than this is not taken, in seconds.
const TOLERANCE: u64 = 300;

/// The headers of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signatures: String,
}

/// The key in a secret, `whsec_…`.
pub(crate) fn key(secret: &str) -> Option<Key> {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    Some(Key::new(HMAC_SHA256, &bytes))
}

/// What the signature of a body is worth at a time.
pub(crate) fn check(key: &Key, signed: &Signed, body: &[u8], now_secs: u64) -> Signature {
    let said = [format!("{}.{}.", signed.id, signed.timestamp).as_bytes(), body].concat();
    let given = signed.signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let mut given = given.filter_map(|one| STANDARD.decode(one).ok());
    if !given.any(|one| verify(key, &said, &one).is_ok()) {
        return Signature::Wrong;
    }
    match signed.timestamp.parse::<u64>() {
        Ok(at) if at.abs_diff(now_secs) <= TOLERANCE => Signature::Good,
        Ok(_) => Signature::OtherTime,
        Err(_) => Signature::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: u64 = 1_614_265_330;

    fn signed() -> Signed {
        Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            timestamp: AT.to_string(),
            signatures: "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned(),
        }
    }

    #[test]
    fn the_vector_of_the_specification_is_taken_and_nothing_else() {
        let key = key(SECRET).unwrap();
        assert_eq!(check(&key, &signed(), BODY, AT + 299), Signature::Good);
        assert_eq!(check(&key, &signed(), BODY, AT - 301), Signature::OtherTime);
        assert_eq!(check(&key, &signed(), b"{}", AT), Signature::Wrong);
        let other_id = Signed { id: "msg_other".to_owned(), ..signed() };
        assert_eq!(check(&key, &other_id, BODY, AT), Signature::Wrong);
        let later = Signed { timestamp: (AT + 1).to_string(), ..signed() };
        assert_eq!(check(&key, &later, BODY, AT), Signature::Wrong);
        let unsigned = Signed { signatures: String::new(), ..signed() };
        assert_eq!(check(&key, &unsigned, BODY, AT), Signature::Wrong);
        assert!(super::key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_none());
    }
}
