//! Firebase Cloud Messaging, HTTP v1, and the token endpoint of Google.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::check::{Broken, Signed, header, jwt, now_secs, number, that};
use crate::server::{Fake, Received, Rules, Verdict, answer};

const PROJECT: &str = "tidings-test";
const EMAIL: &str = "push@tidings-test.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The provider.
#[derive(Debug)]
pub struct FcmFake {
    fake: Fake,
    account: String,
    granted: Arc<AtomicU64>,
}

impl Deref for FcmFake {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl FcmFake {
    /// Runs one.
    pub async fn start() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'static> = key.as_der().expect("it is written");
        let public = key.public_key().as_ref().to_vec();
        let granted = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&granted);
        let fake = Fake::start(false, move |address| Service { address, public, granted: counted });
        let fake = fake.await;
        let account = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "key-1",
            "private_key": pem(der.as_ref()),
            "client_email": EMAIL,
            "token_uri": format!("{}/token", fake.url()),
        });
        Self { fake, account: account.to_string(), granted }
    }

    /// The service account of its project.
    pub fn service_account(&self) -> &str {
        &self.account
    }

    /// How many access tokens were asked for.
    pub fn tokens_granted(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    /// From now on no access token of before is good.
    pub fn expire_tokens(&self) {
        self.granted.fetch_add(1_000, Ordering::Relaxed);
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

struct Service {
    address: SocketAddr,
    public: Vec<u8>,
    granted: Arc<AtomicU64>,
}

impl Rules for Service {
    fn token(&self, request: &Request<Bytes>) -> Option<String> {
        let body: Value = serde_json::from_slice(request.body()).ok()?;
        body["message"]["token"].as_str().map(ToOwned::to_owned)
    }

    fn judge(&self, request: &Request<Bytes>) -> Verdict {
        let path = request.uri().path();
        if path == "/token" {
            return match self.grant(request) {
                Ok(answer_body) => Verdict::Answer(answer(200, &[], &answer_body)),
                Err(broken) => {
                    Verdict::Wrong(broken, answer(400, &[], r#"{"error":"invalid_grant"}"#))
                }
            };
        }
        if path != format!("/v1/projects/{PROJECT}/messages:send") {
            return Verdict::Answer(answer(404, &[], "{}"));
        }
        let wanted = format!("Bearer access-{}", self.granted.load(Ordering::Relaxed));
        if request.headers().get("authorization").is_none_or(|it| *it != wanted) {
            let body = json!({ "error": { "code": 401, "status": "UNAUTHENTICATED" } });
            return Verdict::Answer(answer(401, &[], &body.to_string()));
        }
        match read(request) {
            Ok(body) => {
                let message = &body["message"];
                let received = Received {
                    token: message["token"].as_str().unwrap_or_default().to_owned(),
                    headers: request.headers().clone(),
                    data: message["data"].clone(),
                    body: body.clone(),
                    at: Instant::now(),
                };
                let name = json!({ "name": format!("projects/{PROJECT}/messages/1") });
                Verdict::Taken(Box::new(received), answer(200, &[], &name.to_string()))
            }
            Err(broken) => {
                let status = "INVALID_ARGUMENT";
                let body = json!({ "error": { "code": 400, "status": status, "message": broken } });
                Verdict::Wrong(broken, answer(400, &[], &body.to_string()))
            }
        }
    }
}

impl Service {
    fn grant(&self, request: &Request<Bytes>) -> Result<String, Broken> {
        let form = "application/x-www-form-urlencoded";
        that(header(request.headers(), "content-type")? == form, "the body is no form")?;
        let body = std::str::from_utf8(request.body()).map_err(|_| "the body is no text")?;
        let prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
        let assertion = body.strip_prefix(prefix).ok_or("an odd grant")?;
        let (header, claims) = jwt(assertion, Signed::Rs256(&self.public))?;
        that(header["kid"] == "key-1", "`kid` is wrong")?;
        that(claims["iss"] == EMAIL, "`iss` is not the service account")?;
        that(claims["scope"] == SCOPE, "`scope` is wrong")?;
        let token_uri = format!("http://{}/token", self.address);
        that(claims["aud"] == token_uri.as_str(), "`aud` is not the token endpoint")?;
        let (issued, expires, now) = (number(&claims, "iat")?, number(&claims, "exp")?, now_secs());
        that(issued.abs_diff(now) < 60, "`iat` is not now")?;
        that(expires <= issued + 3_600, "`exp` is more than an hour after `iat`")?;
        let count = self.granted.fetch_add(1, Ordering::Relaxed) + 1;
        let token = format!("access-{count}");
        Ok(json!({ "access_token": token, "expires_in": 3_599, "token_type": "Bearer" })
            .to_string())
    }
}

fn read(request: &Request<Bytes>) -> Result<Value, Broken> {
    that(request.method() == Method::POST, "the method is not POST")?;
    that(request.body().len() <= 4_096 + 2_048, "the message is larger than 4 KiB")?;
    let body: Value = serde_json::from_slice(request.body()).map_err(|_| "the body is no JSON")?;
    let message = body["message"].as_object().ok_or("there is no message")?;
    let known = ["token", "data", "notification", "android", "apns", "webpush", "fcm_options"];
    for name in message.keys() {
        that(known.contains(&name.as_str()), &format!("an unknown field {name}"))?;
    }
    let data = body["message"]["data"].as_object().ok_or("there is no data")?;
    for (name, value) in data {
        that(value.is_string(), &format!("data.{name} is no text"))?;
        let is_reserved = name == "from" || name.starts_with("google") || name.starts_with("gcm");
        that(!is_reserved, &format!("data.{name} is reserved"))?;
    }
    let android = &body["message"]["android"];
    let priority = android["priority"].as_str().unwrap_or_default();
    that(["NORMAL", "HIGH"].contains(&priority), "an odd priority")?;
    let ttl = android["ttl"].as_str().and_then(|ttl| ttl.strip_suffix('s'));
    that(ttl.is_some_and(|ttl| ttl.parse::<u32>().is_ok()), "an odd ttl")?;
    that(android["collapse_key"].is_string(), "no collapse key")?;
    Ok(body)
}
