//! A receiver of webhooks in the form of Standard Webhooks, which verifies them.

use std::ops::Deref;
use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::check::{Broken, header, now_secs, that};
use crate::server::{Fake, Received, Rules, Verdict, answer};

const SECRET: [u8; 32] = [0x42; 32];

/// The receiver.
#[derive(Debug)]
pub struct WebhookFake(Fake);

impl Deref for WebhookFake {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.0
    }
}

impl WebhookFake {
    /// Runs one.
    pub async fn start() -> Self {
        Self(Fake::start(false, |_| Receiver).await)
    }

    /// What pushes to it are signed with.
    pub fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(SECRET))
    }
}

struct Receiver;

impl Rules for Receiver {
    fn token(&self, request: &Request<Bytes>) -> Option<String> {
        let body: Value = serde_json::from_slice(request.body()).ok()?;
        body["data"]["token"].as_str().map(ToOwned::to_owned)
    }

    fn judge(&self, request: &Request<Bytes>) -> Verdict {
        match read(request) {
            Ok(body) => {
                let received = Received {
                    token: self.token(request).unwrap_or_default(),
                    headers: request.headers().clone(),
                    data: body["data"].clone(),
                    body,
                    at: Instant::now(),
                };
                Verdict::Taken(Box::new(received), answer(204, &[], ""))
            }
            Err(broken) => Verdict::Wrong(broken, answer(400, &[], "not verified")),
        }
    }
}

fn read(request: &Request<Bytes>) -> Result<Value, Broken> {
    let headers = request.headers();
    let id = header(headers, "webhook-id")?;
    let time = header(headers, "webhook-timestamp")?;
    let seconds: u64 = time.parse().map_err(|_| "the timestamp is no number")?;
    that(seconds.abs_diff(now_secs()) < 300, "the timestamp is not now")?;
    let said = [format!("{id}.{time}.").as_bytes(), request.body()].concat();
    let expected = sign(&Key::new(HMAC_SHA256, &SECRET), &said);
    let signatures = header(headers, "webhook-signature")?;
    let is_signed = signatures.split(' ').filter_map(|it| it.strip_prefix("v1,")).any(|it| {
        let given = STANDARD.decode(it).unwrap_or_default();
        verify_slices_are_equal(&given, expected.as_ref()).is_ok()
    });
    that(is_signed, "no signature is right")?;
    that(header(headers, "content-type")? == "application/json", "the body is no JSON")?;
    let body: Value = serde_json::from_slice(request.body()).map_err(|_| "the body is no JSON")?;
    let kind = body["type"].as_str().unwrap_or_default();
    that(["push.message", "push.clear"].contains(&kind), "an odd type")?;
    that(body["data"]["user_id"].is_string(), "there is no user")?;
    Ok(body)
}
