//! No text that was not signed is a token; and whatever is signed by the key of a tenant, in its head and its claims, is of
//! that tenant or refused.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, crypto};
use platform::secret::Secret;
use platform::token::{AuthConfig, Verifier};

const OF_ACME: &str = "a secret of the tenant acme, long enough";

fn with(secret: &str) -> AuthConfig {
    AuthConfig { hs256_secret: Secret::new(secret), ..AuthConfig::default() }
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    platform::install_crypto_provider();
    let own = with("a secret that the fuzzer does not know, long enough");
    let beta =
        AuthConfig { issuer: Some("beta".to_owned()), ..with("a secret of beta, long enough") };
    let tenants = [("acme".to_owned(), with(OF_ACME)), ("beta".to_owned(), beta)];
    Verifier::prepare(&own, &tenants).expect("secrets are enough")
});

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The beginning of the input as the token's head and its end as its claims, signed by acme.
fn signed(text: &str) -> Option<String> {
    use base64::Engine as _;
    let (head, claims) = text.split_once('\n')?;
    let encode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(head), encode(claims));
    let key = EncodingKey::from_secret(OF_ACME.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).ok()?;
    Some(format!("{message}.{signature}"))
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    assert!(VERIFIER.verify(text, now()).is_err(), "taken: {text}");
    if let Some(token) = signed(text)
        && let Ok(claims) = VERIFIER.verify(&token, now())
    {
        assert_eq!(&*claims.tenant, "acme", "{text}");
    }
});
