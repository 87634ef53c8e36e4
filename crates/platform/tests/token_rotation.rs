//! Keys are replaced while the process runs, and a file that cannot be used takes nobody's key away.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use platform::metrics::Metrics;
use platform::reload::Reload;
use platform::secret::Secret;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::{self, AuthConfig, NewToken, Signer, Verifier};
use serde_json::json;

const OLD: &str = "the old secret of enough bytes";
const NEW: &str = "the new secret of enough bytes";
const P256: &[u8] = include_bytes!("keys/p256_private.pem");
const P256_PUBLIC: &[u8] = include_bytes!("keys/p256_public.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa_public.pem");

fn by(secret: &str) -> String {
    let token = NewToken { sub: "ann".into(), ttl: Duration::from_mins(1), ..NewToken::default() };
    Signer::hs256(&Secret::new(secret), None, None).sign(&token, SystemTime::now()).unwrap().0
}

fn by_p256(kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_pem(P256).unwrap();
    encode(&header, &json!({ "sub": "ann", "exp": 9_000_000_000_u64 }), &key).unwrap()
}

fn set(kids: &[&str]) -> String {
    let key = EncodingKey::from_ec_pem(P256).unwrap();
    let jwk =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
    let named = |kid: &&str| {
        let mut jwk = jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    };
    json!({ "keys": kids.iter().map(named).collect::<Vec<_>>() }).to_string()
}

fn takes(verifier: &Verifier, token: &str) -> bool {
    verifier.verify(token, SystemTime::now()).is_ok()
}

fn secret_at(path: &Path) -> AuthConfig {
    AuthConfig { hs256_secret_file: Some(path.into()), ..AuthConfig::default() }
}

#[test]
fn of_several_secrets_the_first_signs_and_all_verify() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{OLD}\n")).unwrap();
    let config = secret_at(&file);
    let (verifier, signer) =
        (Verifier::from_config(&config).unwrap(), Signer::from_config(&config).unwrap());
    assert!(takes(&verifier, &by(OLD)) && !takes(&verifier, &by(NEW)));
    std::fs::write(&file, format!("{NEW}\n  {OLD}\n")).unwrap();
    assert_eq!(verifier.reread().changed, ["auth.hs256_secret_file"]);
    signer.reread().unwrap();
    assert!(takes(&verifier, &by(OLD)) && takes(&verifier, &by(NEW)));
    let token = NewToken { sub: "ann".into(), ttl: Duration::from_mins(1), ..NewToken::default() };
    let signed = signer.sign(&token, SystemTime::now()).unwrap().0;
    std::fs::write(&file, NEW).unwrap();
    assert_eq!(verifier.reread().changed, ["auth.hs256_secret_file"]);
    assert!(!takes(&verifier, &by(OLD)) && takes(&verifier, &signed), "the old one is gone");
    assert!(verifier.reread().changed.is_empty(), "nothing has changed since");
}

#[test]
fn old_and_new_keys_of_a_set_are_good_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, set(&["old"])).unwrap();
    let config = AuthConfig { jwks_file: Some(file.clone()), ..AuthConfig::default() };
    let verifier = Verifier::from_config(&config).unwrap();
    assert!(takes(&verifier, &by_p256("old")) && !takes(&verifier, &by_p256("new")));
    std::fs::write(&file, set(&["old", "new"])).unwrap();
    assert_eq!(verifier.reread().changed, ["auth.jwks_file"]);
    assert!(takes(&verifier, &by_p256("old")) && takes(&verifier, &by_p256("new")));
    std::fs::write(&file, set(&["new"])).unwrap();
    verifier.reread();
    assert!(!takes(&verifier, &by_p256("old")) && takes(&verifier, &by_p256("new")));
}

#[test]
fn a_file_that_cannot_be_used_keeps_its_last_keys_and_the_others_change() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, pem) = (folder.path().join("secret"), folder.path().join("key.pem"));
    std::fs::write(&secret, OLD).unwrap();
    std::fs::write(&pem, P256_PUBLIC).unwrap();
    let config = AuthConfig { public_key_file: Some(pem.clone()), ..secret_at(&secret) };
    let verifier = Verifier::from_config(&config).unwrap();
    for broken in ["", "short", "\n \n"] {
        std::fs::write(&secret, broken).unwrap();
        let reread = verifier.reread();
        assert_eq!((reread.changed.len(), reread.failed.len()), (0, 1), "{broken:?}");
        assert!(takes(&verifier, &by(OLD)), "{broken:?}");
    }
    std::fs::remove_file(&secret).unwrap();
    std::fs::write(&pem, RSA_PUBLIC).unwrap();
    let reread = verifier.reread();
    assert_eq!((reread.changed, reread.failed.len()), (vec!["auth.public_key_file".to_owned()], 1));
    assert!(takes(&verifier, &by(OLD)), "its file is gone and its keys stay");
    assert!(!takes(&verifier, &by_p256("any")));
}

#[tokio::test]
async fn keys_change_as_soon_as_somebody_asks_and_what_failed_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, OLD).unwrap();
    let verifier = Arc::new(Verifier::from_config(&secret_at(&file)).unwrap());
    let (metrics, reload, tasks, shutdown) =
        (Metrics::new(), Reload::new(), Tasks::new(), Shutdown::new());
    token::rotate(Arc::clone(&verifier), Vec::new(), &metrics, &reload, &tasks, &shutdown);
    let until = async |line: &str| {
        let began = Instant::now();
        while !metrics.encode().contains(line) {
            assert!(began.elapsed() < Duration::from_secs(5), "{line}: {}", metrics.encode());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    std::fs::write(&file, "short").unwrap();
    reload.ask();
    until("tidings_auth_unusable_key_files 1").await;
    assert!(takes(&verifier, &by(OLD)));
    std::fs::write(&file, NEW).unwrap();
    reload.ask();
    until("tidings_auth_key_changes_total 1").await;
    until("tidings_auth_unusable_key_files 0").await;
    assert!(takes(&verifier, &by(NEW)) && !takes(&verifier, &by(OLD)));
    shutdown.begin();
    assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
}
