//! Tokens signed by the test, as an identity provider would.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The secret every process of a test cluster verifies with.
pub const SECRET: &str = "an end-to-end test secret of 32 bytes or more";

/// A token for `user` that lasts an hour.
pub fn token(user: &str) -> String {
    token_with(user, 3600, &json!({}))
}

/// A token that ends `ttl_secs` from now (may be negative), with further claims.
pub fn token_with(user: &str, ttl_secs: i64, claims: &Value) -> String {
    token_by(SECRET, user, ttl_secs, claims)
}

/// The same, signed with another secret.
pub fn token_by(secret: &str, user: &str, ttl_secs: i64, claims: &Value) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let mut body = json!({ "sub": user, "exp": now as i64 + ttl_secs });
    if let (Some(body), Some(claims)) = (body.as_object_mut(), claims.as_object()) {
        body.extend(claims.clone());
    }
    encode(&Header::default(), &body, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("HS256 signing of a JSON object cannot fail")
}

/// What a tenant's tokens are signed with.
pub fn secret_of(tenant: &str) -> String {
    match tenant {
        "default" => SECRET.to_owned(),
        other => format!("the secret of the tenant {other}, long enough for anybody"),
    }
}
