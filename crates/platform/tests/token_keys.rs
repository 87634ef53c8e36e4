//! Every kind of key verifies what its private half signed, and only with its own algorithm.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use platform::token::{AuthConfig, TokenError, TokenSetupError, Verifier};
use serde_json::{Value, json};

const RSA_PRIVATE: &[u8] = include_bytes!("keys/rsa_private.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa_public.pem");
const P256_PRIVATE: &[u8] = include_bytes!("keys/p256_private.pem");
const P256_PUBLIC: &[u8] = include_bytes!("keys/p256_public.pem");
const P384_PUBLIC: &[u8] = include_bytes!("keys/p384_public.pem");

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA_PRIVATE).unwrap()
}

fn p256() -> EncodingKey {
    EncodingKey::from_ec_pem(P256_PRIVATE).unwrap()
}

fn signed(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, &json!({ "sub": "ann", "exp": 1_800_000_060 }), key).unwrap()
}

fn with_file(
    bytes: &[u8],
    config: impl Fn(&Path) -> AuthConfig,
) -> Result<Verifier, TokenSetupError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, bytes).unwrap();
    Verifier::from_config(&config(&path))
}

fn public_key(pem: &[u8]) -> Result<Verifier, TokenSetupError> {
    with_file(pem, |path| AuthConfig { public_key_file: Some(path.into()), ..Default::default() })
}

fn key_set(keys: &[Value]) -> Result<Verifier, TokenSetupError> {
    let set = json!({ "keys": keys }).to_string();
    with_file(set.as_bytes(), |path| AuthConfig {
        jwks_file: Some(path.into()),
        ..Default::default()
    })
}

/// The public half as a set names it, with these fields over it; a null takes one away.
fn public_jwk(key: &EncodingKey, algorithm: Algorithm, fields: &Value) -> Value {
    let jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = json!("one");
    for (name, value) in fields.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

fn subject(verifier: &Verifier, token: &str) -> Result<String, TokenError> {
    verifier.verify(token, now()).map(|claims| claims.sub)
}

#[test]
fn pem_keys_verify_with_the_algorithm_of_their_kind_only() {
    let rsa_verifier = public_key(RSA_PUBLIC).unwrap();
    let ec_verifier = public_key(P256_PUBLIC).unwrap();
    let rsa_token = signed(Algorithm::RS256, None, &rsa());
    let ec_token = signed(Algorithm::ES256, None, &p256());
    assert_eq!(subject(&rsa_verifier, &rsa_token).as_deref(), Ok("ann"));
    assert_eq!(subject(&ec_verifier, &ec_token).as_deref(), Ok("ann"));
    let refused = Err(TokenError::AlgorithmNotAllowed);
    assert_eq!(subject(&rsa_verifier, &ec_token), refused);
    assert_eq!(subject(&ec_verifier, &rsa_token), refused);
    let other = signed(Algorithm::RS512, None, &rsa());
    assert_eq!(subject(&rsa_verifier, &other), refused, "the key's algorithm is fixed");
}

#[test]
fn a_public_pem_used_as_a_shared_secret_signs_nothing() {
    for pem in [RSA_PUBLIC, P256_PUBLIC] {
        let forged = signed(Algorithm::HS256, None, &EncodingKey::from_secret(pem));
        let verifier = public_key(pem).unwrap();
        assert_eq!(subject(&verifier, &forged), Err(TokenError::AlgorithmNotAllowed));
    }
}

#[test]
fn a_file_that_is_no_usable_public_key_says_why() {
    let cases: [(&[u8], &str); 5] = [
        (RSA_PRIVATE, "private key"),
        (P256_PRIVATE, "private key"),
        (P384_PUBLIC, "P-256"),
        (b"", "not a PEM public key"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "not a PEM public key"),
    ];
    for (pem, reason) in cases {
        let error = public_key(pem).unwrap_err().to_string();
        assert!(error.contains("auth.public_key_file") && error.contains(reason), "{error}");
    }
}

#[test]
fn keys_of_a_set_verify_with_their_stated_or_usual_algorithm() {
    let cases = [
        (rsa(), Algorithm::RS256, json!({})),
        (rsa(), Algorithm::RS256, json!({ "alg": null })),
        (rsa(), Algorithm::PS256, json!({ "alg": "PS256" })),
        (p256(), Algorithm::ES256, json!({ "alg": null, "use": "sig" })),
    ];
    for (key, algorithm, fields) in cases {
        let verifier = key_set(&[public_jwk(&key, algorithm, &fields)]).unwrap();
        let token = signed(algorithm, Some("one"), &key);
        assert_eq!(subject(&verifier, &token).as_deref(), Ok("ann"), "{algorithm:?} {fields}");
        let unnamed = signed(algorithm, None, &key);
        assert_eq!(subject(&verifier, &unnamed), Err(TokenError::AlgorithmNotAllowed));
    }
}

#[test]
fn a_key_of_a_set_is_not_used_with_another_algorithm_of_its_kind() {
    let verifier =
        key_set(&[public_jwk(&rsa(), Algorithm::RS256, &json!({ "alg": "PS256" }))]).unwrap();
    let token = signed(Algorithm::RS256, Some("one"), &rsa());
    assert_eq!(subject(&verifier, &token), Err(TokenError::AlgorithmNotAllowed));
}

#[test]
fn keys_that_are_not_for_us_are_passed_over_as_long_as_one_is() {
    let good = public_jwk(&p256(), Algorithm::ES256, &json!({}));
    let strange = [
        public_jwk(&rsa(), Algorithm::RS256, &json!({ "use": "enc", "alg": "RSA-OAEP" })),
        public_jwk(&rsa(), Algorithm::RS256, &json!({ "kid": null })),
        public_jwk(&rsa(), Algorithm::RS256, &json!({ "alg": "HS256" })),
        public_jwk(&rsa(), Algorithm::RS256, &json!({ "alg": "XY999" })),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "later", "pub": "AAAA" }),
        json!({ "kty": "oct", "k": "c2hvcnQ", "kid": "short" }),
        json!("not an object"),
    ];
    for key in &strange {
        let error = key_set(std::slice::from_ref(key)).unwrap_err().to_string();
        assert!(error.contains("auth.jwks_file") && error.contains("key 1: "), "{key}: {error}");
    }
    let mut keys = strange.to_vec();
    keys.push(good);
    let verifier = key_set(&keys).unwrap();
    let token = signed(Algorithm::ES256, Some("one"), &p256());
    assert_eq!(subject(&verifier, &token).as_deref(), Ok("ann"));
}

#[test]
fn an_rsa_key_of_a_set_is_never_a_shared_secret() {
    let jwk = public_jwk(&rsa(), Algorithm::RS256, &json!({}));
    let modulus = jwk["n"].as_str().unwrap().as_bytes().to_vec();
    let verifier = key_set(&[jwk]).unwrap();
    let forged = signed(Algorithm::HS256, Some("one"), &EncodingKey::from_secret(&modulus));
    assert_eq!(subject(&verifier, &forged), Err(TokenError::AlgorithmNotAllowed));
}

#[test]
fn an_empty_set_is_a_mistake() {
    let error = key_set(&[]).unwrap_err().to_string();
    assert!(error.contains("no key in it verifies tokens"), "{error}");
}

#[test]
fn several_configured_keys_are_all_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, public) = (folder.path().join("secret"), folder.path().join("public.pem"));
    std::fs::write(&secret, "  a secret of at least sixteen bytes\n").unwrap();
    std::fs::write(&public, P256_PUBLIC).unwrap();
    let config = AuthConfig {
        hs256_secret_file: Some(secret),
        public_key_file: Some(public),
        ..Default::default()
    };
    let verifier = Verifier::from_config(&config).unwrap();
    let secret = EncodingKey::from_secret(b"a secret of at least sixteen bytes");
    assert!(subject(&verifier, &signed(Algorithm::HS256, None, &secret)).is_ok());
    assert!(subject(&verifier, &signed(Algorithm::ES256, None, &p256())).is_ok());
}
