//! A second tenant beside each test. What a test says for its users is said again for users of equal names, devices and
//! client ids in another tenant of the same install, and neither may see anything of the other.
//!
//! On where `TIDINGS_E2E_SECOND_TENANT` names a port (`make test-tenants`). Sockets are doubled by `client.rs`; requests
//! by a proxy at that port, which `HTTP_PROXY` names to the clients of the tests. What the second tenant writes ends with
//! a mark: a client of the test that hears it fails the test, and so does one of the second tenant that hears a text
//! without it. Ids of conversations differ between tenants; they are paired by what both are answered.
//! Must not change what a test sees of its own tenant.

mod paired;
mod proxy;
mod socket;

use std::sync::OnceLock;

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::{Value, json};

use crate::token::{secret_of, token_by};

pub use socket::Second;

/// Its id in the configuration.
const TENANT: &str = "second";

/// The end of each text that it writes.
const MARK: &str = " ·2";

/// The port of the proxy, where a second tenant is wanted.
fn port() -> Option<u16> {
    static PORT: OnceLock<Option<u16>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "says how this run of the tests is to be")]
    let read = || std::env::var("TIDINGS_E2E_SECOND_TENANT").ok()?.parse().ok();
    *PORT.get_or_init(read)
}

/// Whether each test has one beside it.
pub fn is_on() -> bool {
    port().is_some()
}

/// Starts the proxy, once for all tests.
pub(crate) fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    if let Some(port) = port() {
        STARTED.get_or_init(|| proxy::start(port));
    }
}

/// The setting that makes it known to a gateway or an all-in-one; none where the test has tenants of its own.
pub(crate) fn setting(prefix: &str, settings: &[(String, String)]) -> Option<(String, String)> {
    let key = format!("{prefix}TENANTS");
    let has_own = settings.iter().any(|(name, _)| *name == key);
    (is_on() && !has_own).then(|| (key, list()))
}

/// The list of tenants as the environment holds it: this one alone.
pub fn list() -> String {
    Value::from_iter([table()]).to_string()
}

/// What stands of it in a list of tenants.
pub(crate) fn table() -> Value {
    json!({ "id": TENANT, "hs256_secret": secret_of(TENANT) })
}

/// The token of the user of the same name there, with the same claims; none of what is no token.
fn token_there(token: &str) -> Option<String> {
    let claims: Value = insecure_decode::<Value>(token).ok()?.claims;
    let user = claims["sub"].as_str()?.to_owned();
    Some(token_by(&secret_of(TENANT), &user, 0, &claims))
}

/// A path or address with `token=…` in it, for the user of the same name there.
fn path_there(path: &str) -> Option<String> {
    let (before, rest) = path.split_once("token=")?;
    let end = rest.find('&').unwrap_or(rest.len());
    let token = token_there(&rest[..end])?;
    Some(format!("{before}token={token}{}", &rest[end..]))
}

/// Ends each text with the mark.
fn mark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "text" => text.push_str(MARK),
                    field => mark(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mark),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::token_with;

    #[test]
    fn users_have_the_same_name_and_claims_there_and_what_they_write_bears_the_mark() {
        let token = token_with("ann", 600, &json!({ "roles": ["admin"] }));
        let there = token_there(&token).unwrap();
        assert_ne!(token, there);
        let claims = |token: &str| insecure_decode::<Value>(token).unwrap().claims;
        assert_eq!(claims(&token), claims(&there));
        assert_eq!(token_there("no token"), None);
        let path = path_there(&format!("/ws?token={token}&device=phone")).unwrap();
        assert_eq!(path, format!("/ws?token={there}&device=phone"));
        let mut frame = json!({ "type": "send", "ref": "text", "content": { "text": "hello" } });
        mark(&mut frame);
        assert_eq!(frame["content"]["text"], format!("hello{MARK}"));
        assert_eq!(frame["ref"], "text");
    }
}
