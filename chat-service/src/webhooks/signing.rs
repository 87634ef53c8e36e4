//! Signatures of deliveries, as Standard Webhooks says: HMAC-SHA256 over id, time and body, one for each secret.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::webhook::SigningSecret;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Of a new secret.
const SECRET_BYTES: usize = 32;

/// A new secret.
pub fn new_secret() -> String {
    let (one, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let mut bytes = [0; SECRET_BYTES];
    // Two UUIDs hold 244 random bits.
    bytes[..16].copy_from_slice(one.as_bytes());
    bytes[16..].copy_from_slice(other.as_bytes());
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// The header `webhook-signature`: by each secret that still signs.
pub fn signatures(
    secrets: &[SigningSecret],
    id: &str,
    timestamp_secs: u64,
    body: &[u8],
    now_ms: u64,
) -> String {
    let valid = secrets.iter().filter(|it| it.until_ms.is_none_or(|until| until > now_ms));
    let signed = valid.filter_map(|secret| signature(&secret.text, id, timestamp_secs, body));
    signed.collect::<Vec<_>>().join(" ")
}

fn signature(secret: &str, id: &str, timestamp_secs: u64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{id}.{timestamp_secs}.").as_bytes());
    context.update(body);
    Some(format!("v1,{}", STANDARD.encode(context.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str, until_ms: Option<u64>) -> SigningSecret {
        SigningSecret { text: text.to_owned(), until_ms }
    }

    /// From the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_vector_of_the_specification_is_met() {
        let secrets = [secret(SECRET, None)];
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = signatures(&secrets, id, 1_614_265_330, br#"{"test": 2432232314}"#, 0);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_secrets_sign_while_one_replaces_the_other() {
        let new = new_secret();
        assert!(new.len() > 40 && new != new_secret());
        let secrets = [secret(&new, None), secret(SECRET, Some(100))];
        let before = signatures(&secrets, "m", 1, b"{}", 99);
        let after = signatures(&secrets, "m", 1, b"{}", 100);
        assert_eq!(before.split(' ').count(), 2);
        assert_eq!(Some(after.as_str()), before.split(' ').next());
    }
}
