//! No text that was not signed is a token.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use platform::secret::Secret;
use platform::token::{AuthConfig, Verifier};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    platform::install_crypto_provider();
    let hs256_secret = Secret::new("a secret that the fuzzer does not know, long enough");
    Verifier::from_config(&AuthConfig { hs256_secret, ..AuthConfig::default() })
        .expect("a secret is enough")
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert!(VERIFIER.verify(text, now).is_err(), "taken: {text}");
});
