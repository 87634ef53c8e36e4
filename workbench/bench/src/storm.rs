//! Many members of one group react to one message, while all others listen; and whether they are counted right.

use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Args;
use proto::id::{ClientId, ConversationId};
use serde_json::Value;
use tokio::runtime::{Builder, LocalOptions};
use wire_client::message::{self, MIN_PAYLOAD_BYTES, REACTION};
use wire_client::rest::Rest;
use wire_client::values::{Rate, duration as parse_duration};

use crate::crowd::approach::{Approach, Role, ServerOptions};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::{Crowd, Pace, speech};
use crate::fanout::publishing::{self, Publisher};

/// Connections that may be opening at once.
const OPENING: usize = 200;
/// What is asked for is answered within this time, and counted within it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);
/// How often the server is asked what it has counted.
const ASK: Duration = Duration::from_millis(500);
/// Rows of one page.
const ROWS: usize = 1_000;

/// What the help says beyond the options.
pub const HELP: &str = "\
All members of a group connect. Each round has one message, to which --reactors of the members react, evenly over --over.

Prints one line of name=value. answer_*: from when a reaction was due to its answer. cpu_us.NAME: user and system time of a
process per reaction, what the messages and the counts cost at all members included. Then the server is asked, until both are
the same: rows is who reacted, counted by pages of /reactions over all rounds; tallied is what the states of the messages
say; settled_s is how long after the last answer that was so.

Tidings only.";

/// One run.
#[derive(Debug, Clone, Args)]
pub struct StormOptions {
    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Members, all of them online.
    #[arg(long, default_value_t = 10_000)]
    pub members: u32,
    /// Members who react to a message.
    #[arg(long, default_value_t = 1_000)]
    pub reactors: u32,
    /// In how much time they do so; 0s is all at once.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub over: Duration,
    /// Messages, one after the other.
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// New connections a second.
    #[arg(long, default_value = "2000/s")]
    pub ramp: Rate,
    /// How long all are connected and silent before the first message.
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub hold: Duration,
}

/// What was measured.
struct Measured {
    seconds: f64,
    cpu_us: Vec<(String, f64)>,
    tallied: u64,
    rows: u64,
    settled: Duration,
}

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: &StormOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(conduct(options, tell))
}

async fn conduct(
    options: &StormOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    if options.reactors > options.members {
        return Err(BenchError::Options("--reactors: at most --members".to_owned()));
    }
    let mut approach =
        Approach::prepare(&options.server, options.members, MIN_PAYLOAD_BYTES, false).await?;
    let Some(rest) = approach.rest()? else {
        return Err(BenchError::Options("reactions are for Tidings only".to_owned()));
    };
    approach.make_group().await?;
    let crowd = Crowd::new(approach);
    let pace = Pace { parallel: OPENING, per_second: Some(options.ramp.per_second()) };
    crowd.gather(1..options.members + 1, Role::Listener, pace).await?;
    let publisher = Publisher::User(crowd.publisher().await?);
    crowd.tally.expect(options.members);
    tell("connected");
    let measured = tokio::select! {
        biased;
        trouble = crowd.trouble() => Err(trouble),
        measured = lead(&crowd, &publisher, &rest, options, &mut tell) => measured,
    };
    crowd.leave();
    publisher.end();
    Ok(figures(options, &crowd, &measured?))
}

/// Leads the connected crowd through the rounds.
async fn lead(
    crowd: &Rc<Crowd>,
    publisher: &Publisher,
    rest: &Rest,
    options: &StormOptions,
    tell: &mut impl FnMut(&str),
) -> Result<Measured, BenchError> {
    tokio::time::sleep(options.hold).await;
    tell("storm");
    let watched = Watched::with_generator(&options.server.server_pids);
    let (before, begun) = (watched.sample(), Instant::now());
    let mut messages = Vec::new();
    for round in 0..options.rounds.max(1) {
        let seq = message(crowd, publisher, round).await?;
        react(crowd, options, round, seq).await?;
        messages.push(seq);
    }
    until("answers", || crowd.tally.unanswered() == 0).await?;
    let (after, seconds) = (watched.sample(), begun.elapsed().as_secs_f64());
    tell("counting");
    let answered = Instant::now();
    let wanted = u64::from(options.reactors) * messages.len() as u64;
    let (mut tallied, mut rows) = (0, 0);
    while answered.elapsed() < PATIENCE {
        (tallied, rows) = counted(crowd, rest, &messages).await?;
        if (tallied, rows) == (wanted, wanted) {
            break;
        }
        tokio::time::sleep(ASK).await;
    }
    let settled = answered.elapsed();
    Ok(Measured { seconds, cpu_us: costs::cpu_us(&before, &after), tallied, rows, settled })
}

/// Waits for something that comes by itself.
async fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), BenchError> {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(BenchError::Failed(format!("no {what} within {seconds} s")));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Publishes a message to all members; its place in the log.
async fn message(crowd: &Crowd, publisher: &Publisher, round: u32) -> Result<u64, BenchError> {
    publishing::publish(crowd, publisher, Instant::now()).await?;
    publishing::arrived(crowd).await?;
    until("place of a message", || crowd.tally.stored_count() > round).await?;
    let unknown = || BenchError::Failed("the place of a message is not known".to_owned());
    crowd.tally.place(round).ok_or_else(unknown)
}

/// Lets the first members react to a message, each when it is due.
async fn react(
    crowd: &Crowd,
    options: &StormOptions,
    round: u32,
    seq: u64,
) -> Result<(), BenchError> {
    let members = crowd.members.borrow().clone();
    let group = &crowd.approach.group;
    let begun = Instant::now();
    let mut frame = Vec::with_capacity(256);
    for (at, member) in (0..options.reactors).zip(&members) {
        let due = begun + options.over.mul_f64(f64::from(at) / f64::from(options.reactors));
        tokio::time::sleep_until(due.into()).await;
        // 0 is the publisher. The connections are in the order in which they became ready; the number only has to be
        // another one for each.
        let which = (at + 1, round);
        let client_id: ClientId = group.run.client_id(which.0, which.1, 0);
        frame.clear();
        message::write_reaction(&mut frame, client_id, ConversationId(group.id), seq, true);
        crowd.tally.ask(which, due);
        member.voice.say(&speech::text(&frame))?;
    }
    Ok(())
}

/// What the states of the messages say, and how many rows there are.
async fn counted(crowd: &Crowd, rest: &Rest, messages: &[u64]) -> Result<(u64, u64), BenchError> {
    let (user, id) = (crowd.approach.user(1), crowd.approach.group.id);
    let (mut tallied, mut rows) = (0, 0);
    for seq in messages {
        let path = format!("/conversations/{id}/messages/{seq}");
        let one: Value = rest.patient().get(user, "a message", &path).await?;
        tallied += one["state"]["reactions"][REACTION]["n"].as_u64().unwrap_or(0);
        rows += reactions(rest, user, &path).await?;
    }
    Ok((tallied, rows))
}

/// How many reactions the pages have.
async fn reactions(rest: &Rest, user: &str, message: &str) -> Result<u64, BenchError> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let path = format!("{message}/reactions?limit={ROWS}{after}");
        let page: Value = rest.patient().get(user, "reactions", &path).await?;
        count += page["reactions"].as_array().map_or(0, Vec::len) as u64;
        match page["next"].as_str() {
            // Each page begins behind the one before, so this ends with the rows.
            Some(next) => after = format!("&after={}", speech::escaped(next)),
            None => return Ok(count),
        }
    }
}

fn figures(options: &StormOptions, crowd: &Crowd, measured: &Measured) -> Figures {
    let mut figures = Figures::of("storm");
    figures.add("target", options.server.target.name());
    figures.add("members", options.members);
    figures.add("reactors", options.reactors);
    figures.add("rounds", options.rounds);
    figures.add_fraction("over_s", options.over.as_secs_f64());
    figures.add_fraction("seconds", measured.seconds);
    figures.add_latency("answer", &crowd.tally.answers());
    figures.add("tallied", measured.tallied);
    figures.add("rows", measured.rows);
    figures.add_fraction("settled_s", measured.settled.as_secs_f64());
    let reactions = f64::from(options.reactors) * f64::from(options.rounds.max(1));
    figures.add_costs("cpu_us", &measured.cpu_us, reactions.max(1.0));
    figures
}
