//! What is told about: texts and reactions of one user in each group, over REST, each asked for until it is answered.

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;
use wire_client::rest::{Rest, RestError};

use super::{GROUPS, Shared};

/// Pause before what is refused for now is asked again.
const AGAIN: Duration = Duration::from_millis(300);
/// Of so many operations one is a reaction to the message before it.
const REACTIONS: u64 = 4;

#[derive(Deserialize)]
struct Stored {
    seq: u64,
}

/// Writes into a group until it is told to stop; what keeps the verdict from being valid.
pub(super) async fn talk(
    shared: Rc<Shared>,
    group: usize,
    mut is_over: watch::Receiver<bool>,
) -> Option<String> {
    let mut random = StdRng::seed_from_u64(shared.options.seed ^ (group as u64) << 16);
    let rate = shared.options.rate.per_second() / GROUPS as f64;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut number, mut last) = (0_u64, None);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = is_over.wait_for(|is_over| *is_over) => return None,
        }
        number += 1;
        let rest = shared.rests[random.random_range(0..shared.rests.len())].clone();
        let reaction = last.filter(|_| number.is_multiple_of(REACTIONS));
        match write(&shared, &rest, group, number, reaction).await {
            Ok(seq) if reaction.is_none() => last = Some(seq),
            Ok(_) => {}
            Err(error) => return Some(format!("group {group}: {error}")),
        }
        if !shared.has_begun.replace(true) {
            eprintln!("under load");
        }
    }
}

/// One operation under one client id, asked for until it is answered or too late.
async fn write(
    shared: &Shared,
    rest: &Rest,
    group: usize,
    number: u64,
    reaction: Option<u64>,
) -> Result<u64, RestError> {
    let (user, id) = (shared.users[group].as_str(), shared.groups.borrow()[group]);
    let client_id = Uuid::now_v7();
    let deadline = Instant::now() + shared.options.drain;
    loop {
        let base = format!("/conversations/{id}/messages");
        let asked = match reaction {
            None => {
                let body = json!({ "client_id": client_id,
                    "content": { "text": format!("message {number} of group {group}") } });
                let post = |http: &reqwest::Client, url: &str| http.post(url).json(&body);
                rest.patient().ask(user, "send", &base, post).await
            }
            Some(seq) => {
                let body = json!({ "client_id": client_id, "key": "👍" });
                let put = |http: &reqwest::Client, url: &str| http.put(url).json(&body);
                rest.patient().ask(user, "react", &format!("{base}/{seq}/reactions"), put).await
            }
        };
        match asked {
            Ok(answer) => {
                let stored: Result<Stored, _> = serde_json::from_slice(&answer);
                return stored.map(|it| it.seq).map_err(|_| RestError::strange("send"));
            }
            // A gateway whose clock goes ahead for a while takes tokens for expired.
            Err(RestError::Refused { status, .. })
                if (status.is_server_error() || status == StatusCode::UNAUTHORIZED)
                    && Instant::now() < deadline =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            Err(RestError::Http { .. }) if Instant::now() < deadline => {}
            Err(error) => return Err(error),
        }
    }
}
