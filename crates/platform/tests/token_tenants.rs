//! Whose a token is: that of the key that made it, whatever else it says, and with any number of tenants.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::path::Path;
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use platform::secret::Secret;
use platform::token::{AuthConfig, TokenError, TokenSetupError, Verifier};
use proptest::prelude::*;
use serde_json::{Value, json};

const P256_PRIVATE: &str = include_str!("keys/p256_private.pem");
const P256_PUBLIC: &str = include_str!("keys/p256_public.pem");
const RSA_PRIVATE: &str = include_str!("keys/rsa_private.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa_public.pem");

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn secret(of: &str) -> String {
    format!("a secret of sixteen bytes or more of {of}")
}

fn with_secret(of: &str) -> AuthConfig {
    AuthConfig { hs256_secret: Secret::new(secret(of)), ..AuthConfig::default() }
}

fn by_issuer(of: &str) -> AuthConfig {
    AuthConfig { issuer: Some(format!("https://{of}.example")), ..with_secret(of) }
}

fn tenants(
    configs: impl IntoIterator<Item = (&'static str, AuthConfig)>,
) -> Vec<(String, AuthConfig)> {
    configs.into_iter().map(|(id, config)| (id.to_owned(), config)).collect()
}

/// A token by the secret of somebody, with further claims.
fn by(of: &str, further: &Value) -> String {
    let mut claims = json!({ "sub": "ann", "exp": 1_800_000_060 });
    claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let key = EncodingKey::from_secret(secret(of).as_bytes());
    encode(&Header::default(), &claims, &key).unwrap()
}

fn tenant(verifier: &Verifier, token: &str) -> Result<String, TokenError> {
    verifier.verify(token, now()).map(|claims| claims.tenant.to_string())
}

fn mistakes(auth: &AuthConfig, list: &[(String, AuthConfig)]) -> Vec<String> {
    let wrong = Verifier::prepare(auth, list).unwrap_err();
    wrong.iter().map(ToString::to_string).collect()
}

#[test]
fn the_key_says_whose_token_it_is_and_nothing_else_does() {
    let list = tenants([("acme", with_secret("acme")), ("beta", by_issuer("beta"))]);
    let verifier = Verifier::prepare(&with_secret("own"), &list).unwrap();
    assert_eq!(tenant(&verifier, &by("own", &json!({}))).as_deref(), Ok(""));
    assert_eq!(tenant(&verifier, &by("acme", &json!({}))).as_deref(), Ok("acme"));
    let of_beta = json!({ "iss": "https://beta.example" });
    assert_eq!(tenant(&verifier, &by("beta", &of_beta)).as_deref(), Ok("beta"));
    // A key of one with the words of another.
    assert_eq!(
        tenant(&verifier, &by("acme", &of_beta)).as_deref(),
        Ok("acme"),
        "it asks no issuer"
    );
    assert_eq!(tenant(&verifier, &by("beta", &json!({}))), Err(TokenError::WrongIssuer));
    assert_eq!(tenant(&verifier, &by("nobody", &of_beta)), Err(TokenError::BadSignature));
    for (key, says, refused) in [
        ("acme", "acme", false),
        ("acme", "beta", true),
        ("acme", "default", true),
        ("acme", "", true),
        ("own", "default", false),
        ("own", "acme", true),
    ] {
        let got = tenant(&verifier, &by(key, &json!({ "tenant": says })));
        assert_eq!(got.is_err(), refused, "{key} says {says}: {got:?}");
        assert!(!refused || got == Err(TokenError::WrongTenant));
    }
    let number = by("acme", &json!({ "tenant": 7 }));
    assert_eq!(tenant(&verifier, &number), Err(TokenError::WrongTenant));
}

#[test]
fn without_tenants_a_claim_of_that_name_means_nothing() {
    let verifier = Verifier::from_config(&with_secret("own")).unwrap();
    let token = by("own", &json!({ "tenant": "of somebody else" }));
    assert_eq!(tenant(&verifier, &token).as_deref(), Ok(""));
}

#[test]
fn with_tenants_the_section_auth_may_have_no_key_and_then_nobody_is_of_it() {
    let list = tenants([("acme", with_secret("acme"))]);
    let verifier = Verifier::prepare(&AuthConfig::default(), &list).unwrap();
    assert_eq!(tenant(&verifier, &by("acme", &json!({}))).as_deref(), Ok("acme"));
    assert_eq!(tenant(&verifier, &by("own", &json!({}))), Err(TokenError::BadSignature));
    let none = tenants([("acme", AuthConfig::default())]);
    let wrong = mistakes(&AuthConfig::default(), &none);
    assert!(wrong.len() == 1 && wrong[0].starts_with("tenants.acme: set one of"), "{wrong:?}");
}

/// The key in `keys/rsa_public.pem` as a key set says it.
fn rsa_set() -> String {
    let key = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap();
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("1".to_owned());
    json!({ "keys": [jwk] }).to_string()
}

#[test]
fn the_same_key_in_two_tenants_is_a_mistake_in_whatever_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let public =
        |path: &Path| AuthConfig { public_key_file: Some(path.into()), ..AuthConfig::default() };
    let set = |path: &Path| AuthConfig { jwks_file: Some(path.into()), ..AuthConfig::default() };
    let shared =
        |path: &Path| AuthConfig { hs256_secret_file: Some(path.into()), ..AuthConfig::default() };
    let secrets = file("secrets", &format!("{}\n{}\n", secret("new"), secret("acme")));
    let zeros =
        AuthConfig { hs256_secret: Secret::new(secret("acme") + "\0"), ..AuthConfig::default() };
    let (p256, rsa, keys) =
        (file("p256", P256_PUBLIC), file("rsa", RSA_PUBLIC), file("set", &rsa_set()));
    for (one, other) in [
        (with_secret("acme"), with_secret("acme")),
        (with_secret("acme"), shared(&secrets)),
        (with_secret("acme"), zeros),
        (public(&p256), public(&p256)),
        (public(&rsa), set(&keys)),
        (set(&keys), set(&keys)),
    ] {
        let list = tenants([("acme", one.clone()), ("beta", other.clone())]);
        let wrong = mistakes(&AuthConfig::default(), &list);
        assert_eq!(wrong.len(), 1, "{one:?} {other:?}: {wrong:?}");
        assert!(
            wrong[0].contains("tenants.beta: has a key that tenants.acme has, too"),
            "{wrong:?}"
        );
        let list = tenants([("beta", other)]);
        assert!(mistakes(&one, &list)[0].contains("tenants.beta: has a key that auth has"));
        // A tenant may name a key of its own twice.
        assert!(Verifier::prepare(&AuthConfig::default(), &tenants([("acme", one)])).is_ok());
    }
    let list =
        tenants([("acme", public(&p256)), ("beta", public(&rsa)), ("gamma", with_secret("c"))]);
    assert!(Verifier::prepare(&AuthConfig::default(), &list).is_ok());
}

#[test]
fn a_file_that_becomes_another_tenants_key_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, secret("first")).unwrap();
    let of_file = AuthConfig { hs256_secret_file: Some(path.clone()), ..AuthConfig::default() };
    let list = tenants([("acme", of_file), ("beta", with_secret("beta"))]);
    let verifier = Verifier::prepare(&AuthConfig::default(), &list).unwrap();
    std::fs::write(&path, secret("beta")).unwrap();
    for _ in 0..2 {
        let reread = verifier.reread();
        assert_eq!((reread.changed.len(), reread.failed.len()), (0, 1), "each time anew");
        assert!(matches!(reread.failed[0], TokenSetupError::SameKey { .. }));
        assert_eq!(tenant(&verifier, &by("beta", &json!({}))).as_deref(), Ok("beta"));
        assert_eq!(tenant(&verifier, &by("first", &json!({}))).as_deref(), Ok("acme"));
    }
    std::fs::write(&path, secret("second")).unwrap();
    assert_eq!(verifier.reread().changed, ["tenants.acme.hs256_secret_file"]);
    assert_eq!(tenant(&verifier, &by("second", &json!({}))).as_deref(), Ok("acme"));
    assert_eq!(tenant(&verifier, &by("first", &json!({}))), Err(TokenError::BadSignature));
}

#[test]
fn of_thousands_of_tenants_each_is_found_by_its_issuer_and_a_bad_token_is_tried_a_few_times() {
    let id = |n: usize| format!("t{n}");
    let list: Vec<_> = (0..5_000).map(|n| (id(n), by_issuer(&id(n)))).collect();
    let verifier = Verifier::prepare(&with_secret("own"), &list).unwrap();
    for n in [0, 1, 17, 2_500, 4_999] {
        let token = by(&id(n), &json!({ "iss": format!("https://{}.example", id(n)) }));
        assert_eq!(tenant(&verifier, &token), Ok(id(n)));
    }
    assert_eq!(tenant(&verifier, &by("own", &json!({}))).as_deref(), Ok(""));
    // Signatures are what costs: thousands of them would take far longer than looking keys up.
    let bad = by("nobody", &json!({ "iss": "https://t7.example" }));
    let began = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(tenant(&verifier, &bad), Err(TokenError::BadSignature));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let unnamed: Vec<_> = (0..17).map(|n| (id(n), with_secret(&id(n)))).collect();
    let wrong = mistakes(&AuthConfig::default(), &unnamed);
    assert!(wrong.len() == 1 && wrong[0].contains("set `issuer` of each tenant"), "{wrong:?}");
    assert!(Verifier::prepare(&AuthConfig::default(), &unnamed[..16]).is_ok());
}

#[test]
fn a_kid_of_several_tenants_names_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p256");
    std::fs::write(&path, P256_PUBLIC).unwrap();
    let set = |n: u8| {
        use base64::Engine as _;
        let k = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([n; 32]);
        let path = folder.path().join(n.to_string());
        let keys = json!({ "keys": [{ "kty": "oct", "kid": "1", "k": k, "alg": "HS256" }] });
        std::fs::write(&path, keys.to_string()).unwrap();
        AuthConfig { jwks_file: Some(path), ..AuthConfig::default() }
    };
    let public = AuthConfig { public_key_file: Some(path), ..AuthConfig::default() };
    let list = tenants([("one", set(1)), ("two", set(2)), ("three", public)]);
    let verifier = Verifier::prepare(&AuthConfig::default(), &list).unwrap();
    let claims = json!({ "sub": "ann", "exp": 1_800_000_060 });
    let signed = |n: u8, kid: Option<&str>| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::default() };
        encode(&header, &claims, &EncodingKey::from_secret(&[n; 32])).unwrap()
    };
    assert_eq!(tenant(&verifier, &signed(1, Some("1"))).as_deref(), Ok("one"));
    assert_eq!(tenant(&verifier, &signed(2, Some("1"))).as_deref(), Ok("two"));
    assert_eq!(tenant(&verifier, &signed(3, Some("1"))), Err(TokenError::BadSignature));
    assert_eq!(tenant(&verifier, &signed(1, None)), Err(TokenError::AlgorithmNotAllowed));
    let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_pem(P256_PRIVATE.as_bytes()).unwrap();
    let token = encode(&header, &claims, &key).unwrap();
    assert_eq!(tenant(&verifier, &token).as_deref(), Ok("three"), "a key without an id takes any");
}

/// What a token may say of its origin: names that mean something here, and anything.
fn said() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        prop_oneof![
            Just("acme"),
            Just("beta"),
            Just("default"),
            Just(""),
            Just("https://beta.example"),
            Just("https://acme.example"),
        ]
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn whatever_a_token_says_it_is_of_the_tenant_of_its_key_or_refused(
        of in prop_oneof![Just("own"), Just("acme"), Just("beta"), Just("nobody")],
        kid in proptest::option::of(".{0,20}"),
        iss in said(),
        named in said(),
        aud in said(),
    ) {
        let list = tenants([("acme", with_secret("acme")), ("beta", by_issuer("beta"))]);
        let verifier = Verifier::prepare(&with_secret("own"), &list).unwrap();
        let mut claims = json!({ "sub": "ann", "exp": 1_800_000_060 });
        for (claim, value) in [("iss", iss), ("tenant", named), ("aud", aud)] {
            if !value.is_null() {
                claims[claim] = value;
            }
        }
        let header = Header { kid, ..Header::default() };
        let key = EncodingKey::from_secret(secret(of).as_bytes());
        let token = encode(&header, &claims, &key).unwrap();
        if let Ok(tenant) = tenant(&verifier, &token) {
            prop_assert_eq!(tenant.as_str(), if of == "own" { "" } else { of });
            prop_assert_ne!(of, "nobody");
        }
    }
}
