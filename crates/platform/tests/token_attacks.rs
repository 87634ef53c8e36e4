//! Everything a forger may hand in is refused, with the reason that a client is told.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use platform::secret::Secret;
use platform::token::{AuthConfig, NewToken, Signer, TokenError, TokenSetupError, Verifier};
use serde_json::{Value, json};

const SECRET: &str = "a secret of at least sixteen bytes";
const ED25519_PRIVATE: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

fn config() -> AuthConfig {
    AuthConfig { hs256_secret: Secret::new(SECRET), ..AuthConfig::default() }
}

fn verify(config: &AuthConfig, token: &str) -> Result<String, TokenError> {
    Verifier::from_config(config).unwrap().verify(token, now()).map(|claims| claims.sub)
}

fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn good() -> Value {
    json!({ "sub": "ann", "exp": 1_800_000_060 })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = good();
    claims[key] = value;
    claims
}

/// A token with any header; signed with the secret when `is_signed`.
fn crafted(header: &Value, claims: &Value, is_signed: bool) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = if is_signed {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
    } else {
        String::new()
    };
    format!("{message}.{signature}")
}

#[test]
fn a_good_token_is_taken_and_its_claims_are_read() {
    let mut claims = good();
    claims["name"] = json!("Ann");
    claims["roles"] = json!(["admin"]);
    claims["device"] = json!("phone");
    let claims = Verifier::from_config(&config()).unwrap().verify(&signed(&claims), now()).unwrap();
    assert_eq!((claims.sub.as_str(), claims.name.as_deref()), ("ann", Some("Ann")));
    assert_eq!((claims.roles, claims.device.as_deref()), (vec!["admin".to_owned()], Some("phone")));
}

#[test]
fn bad_claims_are_refused_with_their_reason() {
    let cases = [
        ("expired", with("exp", json!(1_799_999_000)), TokenError::Expired),
        ("no exp", json!({ "sub": "ann" }), TokenError::MissingClaim),
        ("exp is a text", with("exp", json!("never")), TokenError::Malformed),
        ("not yet", with("nbf", json!(1_800_000_030)), TokenError::NotYetValid),
        ("nbf is a text", with("nbf", json!("0")), TokenError::Malformed),
        ("no sub", json!({ "exp": 1_800_000_060 }), TokenError::MissingClaim),
        ("sub is null", with("sub", json!(null)), TokenError::MissingClaim),
        ("empty sub", with("sub", json!("")), TokenError::BadSubject),
        ("sub is a number", with("sub", json!(7)), TokenError::BadSubject),
        ("sub is a list", with("sub", json!(["ann"])), TokenError::Malformed),
        ("exp is negative", with("exp", json!(-1)), TokenError::Malformed),
        ("exp is null", with("exp", json!(null)), TokenError::MissingClaim),
        ("roles is a text", with("roles", json!("admin")), TokenError::Malformed),
        ("the claims are a list", json!(["sub", "exp"]), TokenError::Malformed),
        ("for somebody else", with("aud", json!("billing")), TokenError::WrongAudience),
    ];
    for (what, claims, refusal) in cases {
        assert_eq!(verify(&config(), &signed(&claims)), Err(refusal), "{what}");
    }
    assert_eq!(verify(&config(), ""), Err(TokenError::Missing));
    assert_eq!(verify(&config(), "not a token"), Err(TokenError::Malformed));
    assert_eq!(verify(&config(), &"x".repeat(100_000)), Err(TokenError::TooLarge));
}

#[test]
fn clocks_may_differ_by_the_leeway_only() {
    assert!(verify(&config(), &signed(&with("nbf", json!(1_800_000_005)))).is_ok());
    assert!(verify(&config(), &signed(&with("exp", json!(1_800_000_060.5)))).is_ok());
    assert!(verify(&config(), &signed(&with("exp", json!(1_799_999_998)))).is_ok());
    assert_eq!(
        verify(&config(), &signed(&with("exp", json!(1_799_999_994)))),
        Err(TokenError::Expired)
    );
}

#[test]
fn audience_and_issuer_must_fit_where_they_are_configured() {
    let strict = AuthConfig {
        audience: Some("tidings".into()),
        issuer: Some("id.example".into()),
        ..config()
    };
    let mut claims = with("aud", json!(["other", "tidings"]));
    claims["iss"] = json!("id.example");
    assert!(verify(&strict, &signed(&claims)).is_ok());
    for issuer in [json!("evil.example"), json!(["id.example"]), json!(null)] {
        claims["iss"] = issuer;
        assert_eq!(verify(&strict, &signed(&claims)), Err(TokenError::WrongIssuer));
    }
    for audience in [json!("Tidings"), json!(["other"]), json!([]), json!({ "tidings": true })] {
        claims["aud"] = audience;
        assert_eq!(verify(&strict, &signed(&claims)), Err(TokenError::WrongAudience));
    }
    assert_eq!(verify(&strict, &signed(&good())), Err(TokenError::WrongAudience));
}

#[test]
fn the_header_never_chooses_the_key_or_the_algorithm() {
    let refused = Err(TokenError::AlgorithmNotAllowed);
    for alg in ["none", "None", "HS384", "RS256"] {
        assert_eq!(
            verify(&config(), &crafted(&json!({ "alg": alg }), &good(), false)),
            refused,
            "{alg}"
        );
    }
    let own_key = [
        json!({ "alg": "HS256", "jku": "https://evil.example/keys" }),
        json!({ "alg": "HS256", "x5u": "https://evil.example/cert" }),
        json!({ "alg": "HS256", "crit": ["exp"] }),
        json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" } }),
    ];
    for header in own_key {
        assert_eq!(verify(&config(), &crafted(&header, &good(), true)), refused, "{header}");
    }
}

#[test]
fn every_refusal_fits_a_close_frame_and_names_no_part_of_the_token() {
    use TokenError::{
        AlgorithmNotAllowed, BadSignature, BadSubject, Expired, Malformed, Missing, MissingClaim,
        NotYetValid, WrongAudience, WrongIssuer,
    };
    for error in [
        AlgorithmNotAllowed,
        BadSignature,
        BadSubject,
        Expired,
        Malformed,
        Missing,
        MissingClaim,
        NotYetValid,
        WrongAudience,
        WrongIssuer,
    ] {
        let reason = error.to_string();
        assert!(!reason.is_empty() && reason.len() <= 100, "{reason}");
    }
}

#[test]
fn a_token_cut_or_padded_anywhere_is_refused_and_never_panics() {
    let token = signed(&good());
    for end in 0..token.len() {
        assert!(verify(&config(), &token[..end]).is_err(), "{end}");
    }
    for strange in ["..", "a.b.c", "....", " ", "\u{fffd}.\u{fffd}.\u{fffd}", "e30.e30.e30"] {
        assert!(verify(&config(), strange).is_err(), "{strange}");
        assert!(verify(&config(), &format!("{token}{strange}")).is_err(), "{strange}");
    }
}

#[test]
fn a_public_key_is_never_used_as_a_shared_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.pem");
    std::fs::write(&file, ED25519_PUBLIC).unwrap();
    let config = AuthConfig { public_key_file: Some(file), ..AuthConfig::default() };
    let forged =
        encode(&Header::default(), &good(), &EncodingKey::from_secret(ED25519_PUBLIC.as_bytes()))
            .unwrap();
    assert_eq!(verify(&config, &forged), Err(TokenError::AlgorithmNotAllowed));
    let key = EncodingKey::from_ed_pem(ED25519_PRIVATE).unwrap();
    let real = encode(&Header::new(Algorithm::EdDSA), &good(), &key).unwrap();
    assert_eq!(verify(&config, &real).as_deref(), Ok("ann"));
}

#[test]
fn a_key_of_a_set_is_found_by_its_exact_id() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "one", "x": x });
    std::fs::write(&file, json!({ "keys": [key] }).to_string()).unwrap();
    let config = AuthConfig { jwks_file: Some(file), ..AuthConfig::default() };
    let sign = |kid: Option<&str>| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &good(), &EncodingKey::from_ed_pem(ED25519_PRIVATE).unwrap()).unwrap()
    };
    assert_eq!(verify(&config, &sign(Some("one"))).as_deref(), Ok("ann"));
    for kid in [Some("two"), Some("ONE"), None] {
        assert_eq!(verify(&config, &sign(kid)), Err(TokenError::AlgorithmNotAllowed), "{kid:?}");
    }
}

#[test]
fn a_token_that_was_issued_in_the_future_is_refused_beyond_the_leeway() {
    let issued = |secs: u64| verify(&config(), &signed(&with("iat", json!(secs))));
    assert_eq!(issued(1_800_000_005).as_deref(), Ok("ann"), "clocks differ by so much");
    assert_eq!(issued(1_800_000_006), Err(TokenError::IssuedInFuture));
    assert_eq!(issued(1_831_536_000), Err(TokenError::IssuedInFuture), "a year ahead");
}

#[test]
fn a_signature_by_another_secret_or_of_other_claims_is_wrong() {
    let other = encode(
        &Header::default(),
        &good(),
        &EncodingKey::from_secret(b"another secret of enough bytes"),
    )
    .unwrap();
    assert_eq!(verify(&config(), &other), Err(TokenError::BadSignature));
    let token = signed(&good());
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[1] = URL_SAFE_NO_PAD.encode(with("sub", json!("root")).to_string());
    assert_eq!(verify(&config(), &parts.join(".")), Err(TokenError::BadSignature));
}

#[test]
fn a_configuration_without_a_usable_key_is_a_mistake() {
    assert!(matches!(
        Verifier::from_config(&AuthConfig::default()),
        Err(TokenSetupError::NoKey { .. })
    ));
    let short = AuthConfig { hs256_secret: Secret::new("short"), ..AuthConfig::default() };
    assert!(matches!(Verifier::from_config(&short), Err(TokenSetupError::BadKey { .. })));
    let missing =
        AuthConfig { jwks_file: Some("/nowhere/keys.json".into()), ..AuthConfig::default() };
    let error = Verifier::from_config(&missing).unwrap_err().to_string();
    assert!(error.contains("jwks_file") && error.contains("/nowhere/keys.json"), "{error}");
}

#[test]
fn a_signed_token_verifies() {
    let signer = Signer::hs256(&Secret::new(SECRET), None, None);
    let token = NewToken { sub: "ann".into(), ttl: Duration::from_mins(1), ..NewToken::default() };
    let (token, exp) = signer.sign(&token, now()).unwrap();
    assert_eq!(exp, 1_800_000_060);
    assert_eq!(verify(&config(), &token).as_deref(), Ok("ann"));
}

#[test]
fn a_signer_and_a_verifier_of_one_configuration_fit_together() {
    let strict = AuthConfig {
        audience: Some("tidings".into()),
        issuer: Some("id.example".into()),
        ..config()
    };
    let signer = Signer::from_config(&strict).unwrap();
    let token = NewToken { sub: "ann".into(), ttl: Duration::from_mins(1), ..NewToken::default() };
    let (token, _) = signer.sign(&token, now()).unwrap();
    assert_eq!(verify(&strict, &token).as_deref(), Ok("ann"));
    let none = Signer::from_config(&AuthConfig::default());
    assert!(matches!(none, Err(TokenSetupError::NoSecret { .. })));
}
