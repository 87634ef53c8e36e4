//! Pages of messages with their states out of a store that has many: what one costs, and how long it takes.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;
use wire_client::latency::Latency;
use wire_client::message::MIN_PAYLOAD_BYTES;
use wire_client::rest::{Rest, RestError};
use wire_client::values::{Rate, duration as parse_duration};

use crate::crowd::approach::{Approach, ServerOptions};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::speech;

/// Questions on their way, at most: beyond it the server cannot follow.
const MOST: usize = 1_000;
/// Pages of the list of conversations that are read, at most.
const LISTS: usize = 20;

/// What the help says beyond the options.
pub const HELP: &str = "\
Asks over REST for pages of messages with states (`view=messages`), at a fixed rate, of the conversations that --user has, each
time another one and at another place of its log.

Prints one line of name=value. page_*: from when a question was due to its whole answer. messages and states: of a page, on
average. cpu_us.NAME: user and system time of a process per page.

Tidings only.";

/// One run.
#[derive(Debug, Clone, Args)]
pub struct PagesOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Who asks.
    #[arg(long)]
    pub user: String,
    /// Messages of a page.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// Pages a second.
    #[arg(long, default_value = "100/s")]
    pub rate: Rate,
    /// How long is asked before it is measured.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub warmup: Duration,
    /// How long is measured.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub duration: Duration,
}

/// A conversation of the user.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    head: u64,
}

#[derive(Deserialize, Default)]
struct List {
    conversations: Vec<Listed>,
    #[serde(default)]
    next: Option<String>,
}

/// How long an answer took, and its body.
type Answered = Result<(Duration, Vec<u8>), RestError>;

/// What came of the questions.
#[derive(Debug, Default)]
struct Asked {
    latency: Latency,
    pages: u64,
    messages: u64,
    states: u64,
}

/// Runs to the end and blocks meanwhile.
pub fn run(options: &PagesOptions) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(options))
}

async fn measure(options: &PagesOptions) -> Result<Figures, BenchError> {
    let approach = Approach::prepare(&options.server, 1, MIN_PAYLOAD_BYTES, false).await?;
    let Some(rest) = approach.rest()? else {
        return Err(BenchError::Options("pages are read from Tidings only".to_owned()));
    };
    let list = list(&rest, &options.user).await?;
    if list.conversations.is_empty() {
        return Err(BenchError::Options(format!("{} has no conversations", options.user)));
    }
    let watched = Watched::with_generator(&options.server.server_pids);
    ask(&rest, &list, options, 0, options.warmup).await?;
    let before = watched.sample();
    let asked = ask(&rest, &list, options, 1 << 32, options.duration).await?;
    let cpu_us = costs::cpu_us(&before, &watched.sample());
    Ok(figures(options, &list, &asked, &cpu_us))
}

/// The user's conversations, the first pages of their list.
async fn list(rest: &Rest, user: &str) -> Result<List, RestError> {
    let (mut all, mut path) = (List::default(), "/conversations?limit=100".to_owned());
    for _ in 0..LISTS {
        let page: List = rest.patient().get(user, "conversations", &path).await?;
        all.conversations.extend(page.conversations);
        match page.next {
            Some(next) => {
                path = format!("/conversations?limit=100&after={}", speech::escaped(&next));
            }
            None => break,
        }
    }
    all.conversations.retain(|conversation| conversation.head > 0);
    Ok(all)
}

/// Asks at the rate for some time, and waits for the answers.
async fn ask(
    rest: &Rest,
    list: &List,
    options: &PagesOptions,
    first: u64,
    time: Duration,
) -> Result<Asked, BenchError> {
    let rate = options.rate.per_second();
    let count = (time.as_secs_f64() * rate) as u64;
    let begun = Instant::now();
    let mut asked = Asked::default();
    let mut asking: JoinSet<Answered> = JoinSet::new();
    for number in 0..count {
        let due = begun + Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        while let Some(answered) = asking.try_join_next() {
            asked.take(answered)?;
        }
        if asking.len() > MOST {
            return Err(BenchError::Overrun(asking.len()));
        }
        let path = path(list, first + number, options.limit);
        let (rest, user) = (rest.patient(), options.user.clone());
        asking.spawn_local(async move {
            let get = |http: &reqwest::Client, url: &str| http.get(url);
            let body = rest.ask(&user, "a page", &path, get).await?;
            Ok((due.elapsed(), body))
        });
    }
    while let Some(answered) = asking.join_next().await {
        asked.take(answered)?;
    }
    Ok(asked)
}

/// The n-th question: spread over all conversations and places, and the same in each run.
fn path(list: &List, number: u64, limit: u32) -> String {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let conversation = &list.conversations[(mixed >> 40) as usize % list.conversations.len()];
    // A page before this place; the first entries have no whole page before them.
    let least = u64::from(limit).min(conversation.head);
    let before = least + (mixed & 0xFFFF_FFFF) % (conversation.head + 2 - least);
    let id = &conversation.id;
    format!("/conversations/{id}/messages?view=messages&limit={limit}&before_seq={before}")
}

impl Asked {
    fn take(
        &mut self,
        answered: Result<Answered, tokio::task::JoinError>,
    ) -> Result<(), BenchError> {
        let (took, body) = answered.map_err(std::io::Error::other)??;
        let page: Value = serde_json::from_slice(&body)
            .map_err(|_| BenchError::Failed("a page is not understood".to_owned()))?;
        self.latency.record(took.as_micros() as u64);
        self.pages += 1;
        self.messages += page["entries"].as_array().map_or(0, Vec::len) as u64;
        self.states += page["states"].as_object().map_or(0, serde_json::Map::len) as u64;
        Ok(())
    }
}

fn figures(
    options: &PagesOptions,
    list: &List,
    asked: &Asked,
    cpu_us: &[(String, f64)],
) -> Figures {
    let pages = asked.pages.max(1) as f64;
    let mut figures = Figures::of("pages");
    figures.add("target", options.server.target.name());
    figures.add("conversations", list.conversations.len());
    figures.add("rate", format!("{}/s", options.rate.per_second()));
    figures.add("pages", asked.pages);
    figures.add_fraction("messages", asked.messages as f64 / pages);
    figures.add_fraction("states", asked.states as f64 / pages);
    figures.add_latency("page", &asked.latency);
    figures.add_costs("cpu_us", cpu_us, pages);
    figures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn questions_are_spread_over_conversations_and_places() {
        let listed = |id: &str, head| Listed { id: id.to_owned(), head };
        let list = List { conversations: vec![listed("a", 1_000), listed("b", 10)], next: None };
        let paths: BTreeSet<String> = (0..400).map(|number| path(&list, number, 50)).collect();
        let of = |id: &str| paths.iter().filter(|path| path.contains(&format!("/{id}/"))).count();
        assert!(of("a") > 100, "{paths:?}");
        assert_eq!(of("b"), 2, "before 10 and before 11: {paths:?}");
    }
}
