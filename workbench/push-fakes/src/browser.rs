//! The push service of a browser, and browsers that are subscribed with it and decrypt what comes.
//!
//! RFC 8030 (the request), RFC 8291 with RFC 8188 (what is encrypted), RFC 8292 (who sends).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::check::{Broken, Signed, header, jwt, now_secs, number, that, unbase64};
use crate::server::{Fake, Received, Rules, Verdict, answer};

/// The push service.
#[derive(Debug)]
pub struct WebPushFake {
    fake: Fake,
    browsers: Arc<Mutex<HashMap<String, Arc<Keys>>>>,
}

impl Deref for WebPushFake {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

/// A browser that is subscribed.
#[derive(Debug, Clone)]
pub struct Browser {
    /// What its page sends to the server: `PushSubscription.toJSON()`.
    pub subscription: Value,
    /// How [`Received::token`] names it.
    pub token: String,
}

#[derive(Debug)]
struct Keys {
    private: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
    /// The key that the page subscribed with.
    sender: Vec<u8>,
}

impl WebPushFake {
    /// Runs one.
    pub async fn start() -> Self {
        let browsers = Arc::new(Mutex::default());
        let known = Arc::clone(&browsers);
        let fake = Fake::start(false, move |address| Service { address, browsers: known }).await;
        Self { fake, browsers }
    }

    /// Subscribes a browser, whose page has the public key of the server.
    pub fn subscribe(&self, server_key: &str) -> Browser {
        let private = PrivateKey::generate(&ECDH_P256).expect("a key");
        let public = private.compute_public_key().expect("a key").as_ref().to_vec();
        let token = format!("browser-{}", self.browsers.lock().len());
        let auth = std::array::from_fn(|place| public[place + 1] ^ 0x5a);
        let subscription = json!({
            "endpoint": format!("{}/push/{token}", self.url()),
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(&public),
                "auth": URL_SAFE_NO_PAD.encode(auth),
            },
        });
        let sender = unbase64(server_key).expect("the key of the server is Base64");
        assert_eq!(sender.len(), 65, "applicationServerKey is a point");
        let keys = Arc::new(Keys { private, public, auth, sender });
        self.browsers.lock().insert(token.clone(), keys);
        Browser { subscription, token }
    }
}

struct Service {
    address: SocketAddr,
    browsers: Arc<Mutex<HashMap<String, Arc<Keys>>>>,
}

impl Rules for Service {
    fn token(&self, request: &Request<Bytes>) -> Option<String> {
        request.uri().path().strip_prefix("/push/").map(ToOwned::to_owned)
    }

    fn judge(&self, request: &Request<Bytes>) -> Verdict {
        let known = self.token(request).and_then(|token| {
            let keys = self.browsers.lock().get(&token).cloned();
            keys.map(|keys| (token, keys))
        });
        let Some((token, keys)) = known else {
            return Verdict::Answer(answer(404, &[], "no such subscription"));
        };
        if let Err(broken) = self.sender(request, &keys) {
            return Verdict::Wrong(broken, answer(403, &[], "the sender is not known"));
        }
        if request.body().len() > 4_096 {
            let broken = format!("a body of {} bytes", request.body().len());
            return Verdict::Wrong(broken, answer(413, &[], "too large"));
        }
        match read(request, &keys) {
            Ok(body) => {
                let location = format!("http://{}/message/{token}", self.address);
                let headers = request.headers().clone();
                let received =
                    Received { token, headers, data: body.clone(), body, at: Instant::now() };
                Verdict::Taken(Box::new(received), answer(201, &[("location", &location)], ""))
            }
            Err(broken) => Verdict::Wrong(broken, answer(400, &[], "malformed")),
        }
    }
}

impl Service {
    /// RFC 8292.
    fn sender(&self, request: &Request<Bytes>, keys: &Keys) -> Result<(), Broken> {
        let given = header(request.headers(), "authorization")?;
        let given = given.strip_prefix("vapid ").ok_or("the scheme is not vapid")?;
        let (mut token, mut key) = (None, None);
        for part in given.split(',') {
            match part.trim().split_once('=') {
                Some(("t", value)) => token = Some(value),
                Some(("k", value)) => key = Some(value),
                _ => return Err(format!("an odd part of the header: {part}")),
            }
        }
        let key = unbase64(key.ok_or("`k` is missing")?)?;
        that(key == keys.sender, "the key is not that of the subscription")?;
        let (header, claims) = jwt(token.ok_or("`t` is missing")?, Signed::Es256(&key))?;
        that(header["typ"] == "JWT", "`typ` of the token is wrong")?;
        let origin = format!("http://{}", self.address);
        that(claims["aud"] == origin.as_str(), "`aud` of the token is not this push service")?;
        let (expires, now) = (number(&claims, "exp")?, now_secs());
        that(expires > now && expires <= now + 24 * 3_600, "`exp` is not within 24 hours")?;
        let subject = claims["sub"].as_str().unwrap_or_default();
        let is_url = subject.starts_with("mailto:") || subject.starts_with("https:");
        that(is_url, "`sub` is neither mailto: nor https:")
    }
}

fn read(request: &Request<Bytes>, keys: &Keys) -> Result<Value, Broken> {
    let headers = request.headers();
    that(request.method() == Method::POST, "the method is not POST")?;
    that(header(headers, "content-encoding")? == "aes128gcm", "the content coding is wrong")?;
    let ttl = header(headers, "ttl")?.parse::<u32>().map_err(|_| "TTL is no number")?;
    that(ttl <= 28 * 24 * 3_600, "TTL is more than four weeks")?;
    let urgency = header(headers, "urgency")?;
    that(["very-low", "low", "normal", "high"].contains(&urgency), "an odd urgency")?;
    let topic = header(headers, "topic")?;
    let is_url_safe = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    that((1..=32).contains(&topic.len()) && topic.bytes().all(is_url_safe), "an odd topic")?;
    let text = decrypt(keys, request.body())?;
    serde_json::from_slice(&text).map_err(|_| "what was encrypted is no JSON".to_owned())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
}

/// RFC 8291 and RFC 8188, step by step as the standards write them.
fn decrypt(keys: &Keys, body: &[u8]) -> Result<Vec<u8>, Broken> {
    that(body.len() > 86 + 17, "the body is too short")?;
    let (salt, rest) = body.split_at(16);
    let record = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
    that(rest[4] == 65, "the key id is no point")?;
    let (sender, ciphertext) = rest[5..].split_at(65);
    that(ciphertext.len() <= record, "more than one record")?;
    let sender_key = UnparsedPublicKey::new(&ECDH_P256, sender);
    let broken = || "the key of the message is no point".to_owned();
    let secret = agree(&keys.private, sender_key, broken(), |it| Ok(it.to_vec()))?;
    let prk = hmac(&keys.auth, &[&secret]);
    let input = hmac(&prk, &[b"WebPush: info\0", &keys.public, sender, &[1]]);
    let prk = hmac(salt, &[&input]);
    let content_key = hmac(&prk, &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = hmac(&prk, &[b"Content-Encoding: nonce\0", &[1]]);
    let key = UnboundKey::new(&AES_128_GCM, &content_key[..16]).map_err(|_| broken())?;
    let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).map_err(|_| broken())?;
    let mut text = ciphertext.to_vec();
    let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), &mut text);
    let opened = opened.map_err(|_| "the message cannot be decrypted".to_owned())?;
    // Padding: zeros after the mark of the last record.
    let end = opened.iter().rposition(|byte| *byte != 0).ok_or("nothing but padding")?;
    that(opened[end] == 2, "the record is not marked as the last one")?;
    Ok(opened[..end].to_vec())
}
