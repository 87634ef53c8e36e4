//! Apple Push Notification service: HTTP/2 alone.

use std::ops::Deref;
use std::time::Instant;

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Version};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::check::{Broken, Signed, header, jwt, now_secs, number, that};
use crate::server::{Fake, Received, Rules, Verdict, answer};

const KEY_ID: &str = "ABC123DEFG";
const TEAM_ID: &str = "TEAM123456";
const TOPIC: &str = "com.example.tidings";

/// The provider.
#[derive(Debug)]
pub struct ApnsFake {
    fake: Fake,
    private: String,
}

impl Deref for ApnsFake {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl ApnsFake {
    /// Runs one.
    pub async fn start() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().expect("it is written");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let lines = lines.join("\n");
        let private =
            format!("-----BEGIN EC PRIVATE KEY-----\n{lines}\n-----END EC PRIVATE KEY-----\n");
        let public = key.public_key().as_ref().to_vec();
        let service = |_| Service { public, tokens: Mutex::default() };
        Self { fake: Fake::start(true, service).await, private }
    }

    /// The key of the team, in PEM.
    pub fn private_key(&self) -> &str {
        &self.private
    }

    /// Key id, team id and topic.
    pub fn ids(&self) -> [&'static str; 3] {
        [KEY_ID, TEAM_ID, TOPIC]
    }
}

struct Service {
    public: Vec<u8>,
    /// When the provider tokens that were used were made.
    tokens: Mutex<Vec<u64>>,
}

impl Rules for Service {
    fn token(&self, request: &Request<Bytes>) -> Option<String> {
        request.uri().path().strip_prefix("/3/device/").map(ToOwned::to_owned)
    }

    fn judge(&self, request: &Request<Bytes>) -> Verdict {
        let wrong = |status, reason: &str, broken: Broken| {
            Verdict::Wrong(broken, answer(status, &[], &json!({ "reason": reason }).to_string()))
        };
        let Some(token) = self.token(request) else {
            return wrong(404, "BadPath", format!("the path {}", request.uri()));
        };
        if let Err(broken) = self.sender(request) {
            return wrong(403, "InvalidProviderToken", broken);
        }
        if request.body().len() > 4_096 {
            return wrong(413, "PayloadTooLarge", "the payload is larger than 4 KiB".to_owned());
        }
        match read(request) {
            Ok(body) => {
                let headers = request.headers().clone();
                let id = headers["apns-id"].to_str().unwrap_or_default().to_owned();
                let data = body["tidings"].clone();
                let received = Received { token, headers, data, body, at: Instant::now() };
                Verdict::Taken(Box::new(received), answer(200, &[("apns-id", &id)], ""))
            }
            Err(broken) => wrong(400, "BadMessage", broken),
        }
    }
}

impl Service {
    fn sender(&self, request: &Request<Bytes>) -> Result<(), Broken> {
        let given = header(request.headers(), "authorization")?;
        let token = given.strip_prefix("bearer ").ok_or("the scheme is not bearer")?;
        let (header, claims) = jwt(token, Signed::Es256(&self.public))?;
        that(header["kid"] == KEY_ID, "`kid` is wrong")?;
        that(claims["iss"] == TEAM_ID, "`iss` is wrong")?;
        let (issued, now) = (number(&claims, "iat")?, now_secs());
        that(issued <= now + 60 && issued + 3_600 > now, "the token is older than an hour")?;
        let mut tokens = self.tokens.lock();
        // Of one time there may be several: each process of a cluster signs its own.
        if !tokens.contains(&issued) {
            let last = tokens.last().copied();
            that(last.is_none_or(|at| at + 1_200 <= issued), "a new token within 20 minutes")?;
            tokens.push(issued);
        }
        Ok(())
    }
}

fn read(request: &Request<Bytes>) -> Result<Value, Broken> {
    let headers = request.headers();
    that(request.version() == Version::HTTP_2, "it is not HTTP/2")?;
    that(request.method() == Method::POST, "the method is not POST")?;
    that(header(headers, "apns-topic")? == TOPIC, "the topic is wrong")?;
    that(header(headers, "apns-collapse-id")?.len() <= 64, "the collapse id is too long")?;
    that(header(headers, "apns-id")?.len() == 36, "apns-id is no UUID")?;
    let expires = header(headers, "apns-expiration")?.parse::<u64>();
    that(expires.is_ok(), "apns-expiration is no number")?;
    let body: Value = serde_json::from_slice(request.body()).map_err(|_| "the body is no JSON")?;
    let aps = body["aps"].as_object().ok_or("there is no aps")?;
    let priority = header(headers, "apns-priority")?;
    match header(headers, "apns-push-type")? {
        "alert" => {
            that(aps.contains_key("alert"), "an alert without `alert`")?;
            that(["5", "10"].contains(&priority), "an odd priority")?;
        }
        "background" => {
            that(priority == "5", "a background push has priority 5")?;
            that(body["aps"]["content-available"] == 1, "no content-available")?;
            let is_silent = !aps.contains_key("alert") && !aps.contains_key("sound");
            that(is_silent, "a background push that is not silent")?;
        }
        other => return Err(format!("an odd push type {other}")),
    }
    Ok(body)
}
