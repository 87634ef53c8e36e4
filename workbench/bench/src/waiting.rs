//! Messages that wait for a device: how soon it has the first of them after it connects, and how fast the others come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio::runtime::{Builder, LocalOptions};
use uuid::Uuid;
use wire_client::latency::Latency;

use crate::crowd::Crowd;
use crate::crowd::approach::{Approach, Kind, ServerOptions};
use crate::crowd::asking::{Device, Synced};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::voice::Voice;

/// The user whose device the messages wait for; 0 writes them.
const READER: u32 = 1;
/// Where the device is in each conversation: it has the entry that made it.
const CURSOR: u64 = 1;
/// Nothing more is stored for so long: the run is of no use.
const STALLED: Duration = Duration::from_secs(20);
/// How often it is looked whether all is stored.
const LOOK: Duration = Duration::from_millis(20);
/// Between two connections of the device.
const PAUSE: Duration = Duration::from_millis(100);

/// What the help says beyond the options.
pub const HELP: &str = "\
Writes --messages into --conversations, each of them into the next one in turn. Then a device that has none of them connects
and syncs with states, --repeat times, each time from the same cursors; it acknowledges what it got.

Prints one line of name=value. welcome_*: from connecting to `welcome`; first_*: from asking to the first page; synced_*: from
asking to `synced`; usable_*: from connecting to the first page. entries: of one sync; entries_per_second: by the median of
synced. cpu_us.NAME: user and system time of a process per sync.

Tidings only.";

/// One run.
#[derive(Debug, Clone, Args)]
pub struct WaitingOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Messages that wait.
    #[arg(long, default_value_t = 20_000)]
    pub messages: u32,
    /// Conversations that they are in.
    #[arg(long, default_value_t = 1)]
    pub conversations: u32,
    /// The device wants no more entries of a conversation than this, but its newest ones.
    #[arg(long)]
    pub max_behind: Option<u32>,
    /// Length of each text in bytes.
    #[arg(long, default_value_t = 128)]
    pub payload: usize,
    /// How often the device connects.
    #[arg(long, default_value_t = 20)]
    pub repeat: u32,
}

/// Times of all syncs.
#[derive(Debug, Default)]
struct Times {
    welcome: Latency,
    first: Latency,
    synced: Latency,
    usable: Latency,
}

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: &WaitingOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(options, tell))
}

async fn measure(
    options: &WaitingOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    if options.server.target != Kind::Tidings {
        return Err(BenchError::Options("messages wait for a device of Tidings only".to_owned()));
    }
    let mut approach = Approach::prepare(&options.server, READER, options.payload, true).await?;
    let mut conversations = Vec::new();
    for _ in 0..options.conversations.max(1) {
        approach.make_group().await?;
        conversations.push(approach.group.id);
    }
    let crowd = Crowd::new(approach);
    let publisher = crowd.publisher().await?;
    tell("writing");
    tokio::select! {
        biased;
        trouble = crowd.trouble() => return Err(trouble),
        filled = fill(&crowd, &publisher, &conversations, options.messages) => filled?,
    }
    publisher.reset();
    crowd.leave();
    tell("syncing");
    let watched = Watched::with_generator(&options.server.server_pids);
    let before = watched.sample();
    let mut times = Times::default();
    let mut last = None;
    for _ in 0..options.repeat.max(1) {
        last = Some(one(&crowd.approach, &conversations, options, &mut times).await?);
        tokio::time::sleep(PAUSE).await;
    }
    let cpu_us = costs::cpu_us(&before, &watched.sample());
    let last = last.ok_or_else(|| BenchError::Options("--repeat: at least 1".to_owned()))?;
    Ok(figures(options, &times, &last, &cpu_us))
}

/// Writes the messages and waits until all are stored. The server does not read on while as many as it allows wait for
/// their answers, so this needs no pace of its own.
async fn fill(
    crowd: &Crowd,
    publisher: &Voice,
    conversations: &[Uuid],
    messages: u32,
) -> Result<(), BenchError> {
    let Approach { kind, finder, group, .. } = &crowd.approach;
    let mut frame = Vec::with_capacity(512);
    for (number, conversation) in (0..messages).zip(conversations.iter().cycle()) {
        frame.clear();
        kind.publish(&mut frame, number, finder, &group.run, *conversation);
        publisher.say(&frame)?;
        publisher.said().await?;
    }
    let (mut stored, mut since) = (0, Instant::now());
    while stored < messages {
        tokio::time::sleep(LOOK).await;
        let now_stored = crowd.tally.stored_count();
        if now_stored > stored {
            (stored, since) = (now_stored, Instant::now());
        } else if since.elapsed() > STALLED {
            return Err(BenchError::Failed(format!("{stored} of {messages} messages are stored")));
        }
    }
    Ok(())
}

/// The `sync` of a device that has nothing of these but their first entry.
fn sync_frame(conversations: &[Uuid], max_behind: Option<u32>) -> String {
    let cursors: BTreeMap<&Uuid, u64> = conversations.iter().map(|id| (id, CURSOR)).collect();
    let mut frame = json!({ "type": "sync", "cursors": cursors, "states": true });
    if let Some(most) = max_behind {
        frame["max_behind"] = most.into();
    }
    frame.to_string()
}

/// One connection of the device, from its beginning to its end.
async fn one(
    approach: &Approach,
    conversations: &[Uuid],
    options: &WaitingOptions,
    times: &mut Times,
) -> Result<Synced, BenchError> {
    let frame = sync_frame(conversations, options.max_behind);
    let dialed = Instant::now();
    let mut device = Device::connect(approach, READER).await?;
    let welcome = dialed.elapsed();
    let synced = device.sync(approach, frame.as_bytes()).await?;
    let wanted = u64::from(options.messages);
    if synced.entries == 0 || (options.max_behind.is_none() && synced.entries != wanted) {
        let what = format!("a sync brought {} of {wanted} entries", synced.entries);
        return Err(BenchError::Failed(what));
    }
    for (at, conversation) in (0..).zip(conversations) {
        let shared = options.messages / conversations.len() as u32;
        let more = u32::from(at < options.messages % conversations.len() as u32);
        device.acknowledge(*conversation, CURSOR + u64::from(shared + more)).await?;
    }
    device.leave();
    for (latency, took) in [
        (&mut times.welcome, welcome),
        (&mut times.first, synced.first),
        (&mut times.synced, synced.all),
        (&mut times.usable, welcome + synced.first),
    ] {
        latency.record(took.as_micros() as u64);
    }
    Ok(synced)
}

fn figures(
    options: &WaitingOptions,
    times: &Times,
    last: &Synced,
    cpu_us: &[(String, f64)],
) -> Figures {
    let mut figures = Figures::of("waiting");
    figures.add("target", options.server.target.name());
    figures.add("messages", options.messages);
    figures.add("conversations", options.conversations);
    figures.add("max_behind", options.max_behind.map_or("-".to_owned(), |most| most.to_string()));
    figures.add("repeat", options.repeat);
    figures.add("pages", last.pages);
    figures.add("entries", last.entries);
    figures.add("bytes", last.bytes);
    figures.add_latency("welcome", &times.welcome);
    figures.add_latency("first", &times.first);
    figures.add_latency("synced", &times.synced);
    figures.add_latency("usable", &times.usable);
    let median_us = times.synced.histogram().value_at_quantile(0.5).max(1);
    let rate = last.entries as f64 * 1e6 / median_us as f64;
    figures.add("entries_per_second", format!("{rate:.0}"));
    figures.add_costs("cpu_us", cpu_us, f64::from(options.repeat.max(1)));
    figures
}

#[cfg(test)]
mod tests {
    use proto::frame::client::ClientFrame;
    use proto::id::ConversationId;

    use super::*;

    #[test]
    fn the_sync_is_a_frame_of_the_protocol() {
        let conversations = [Uuid::now_v7(), Uuid::now_v7()];
        let frame = sync_frame(&conversations, Some(2_000));
        let frame = proto::frame::decode_client(&frame).unwrap();
        let ClientFrame::Sync(sync) = frame else { panic!("{frame:?}") };
        assert_eq!((sync.cursors.len(), sync.states, sync.max_behind), (2, true, Some(2_000)));
        assert_eq!(sync.cursors[&ConversationId(conversations[0])].seq, CURSOR);
    }
}
