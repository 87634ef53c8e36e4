//! Events by long polling.

use std::convert::Infallible;

use bench::crowd::error::BenchError;
use serde::Deserialize;
use serde_json::value::RawValue;
use wire_client::rest::RestError;

use super::{OPERATOR, Shared};

/// How long an answer may wait for its first event, in milliseconds.
const WAIT_MS: u64 = 5_000;
/// About so many events come at once.
const LIMIT: u32 = 1_000;

#[derive(Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next: String,
}

/// Takes events until it is dropped or refused.
pub(super) async fn take(
    shared: &Shared,
    tell: &mut impl FnMut(&str),
) -> Result<Infallible, BenchError> {
    // The place of now.
    let mut next = page(shared, "/events").await?.next;
    tell("subscribed");
    loop {
        let path = format!("/events?after={next}&wait_ms={WAIT_MS}&limit={LIMIT}");
        let page = page(shared, &path).await?;
        for event in &page.events {
            shared.tally.take(event.get().as_bytes());
        }
        next = page.next;
    }
}

async fn page(shared: &Shared, path: &str) -> Result<Page, RestError> {
    let (user, roles) = OPERATOR;
    let what = "read events";
    let get = |http: &reqwest::Client, url: &str| http.get(url);
    let answer = shared.rest.patient().ask_as(user, &roles, what, path, get).await?;
    serde_json::from_slice(&answer).map_err(|_| RestError::strange(what))
}
