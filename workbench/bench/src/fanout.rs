//! One publisher, many members online: what a delivery costs the server, and how long it takes.
//!
//! The same load for Tidings, NATS and the floors. Tidings stores and orders each message before it
//! goes out, which the others do not.

pub mod options;
pub(crate) mod publishing;
mod receipts;

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use tokio::runtime::{Builder, LocalOptions};
use wire_client::latency::Latency;

use crate::crowd::approach::{Approach, Role};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::operator::Operator;
use crate::crowd::tally::Latencies;
use crate::crowd::{Crowd, Pace, posts};
pub use options::FanoutOptions;
use publishing::Publisher;
use receipts::Receipts;

/// Connections that may be opening at once.
const OPENING: usize = 200;

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: &FanoutOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(conduct(options, tell))
}

/// What was measured, before it is put into figures.
struct Measured {
    seconds: f64,
    messages: u32,
    deliveries: u64,
    received_bytes: u64,
    cpu_us: Vec<(String, f64)>,
    latencies: Latencies,
    out_of_turn: u64,
    receipts: Option<Receipts>,
}

async fn conduct(
    options: &FanoutOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    options.validate()?;
    let is_acknowledging = options.is_acknowledging();
    let mut approach =
        Approach::prepare(&options.server, options.members, options.payload, is_acknowledging)
            .await?
            .carried(options.carrier)?;
    if options.publish.priority().is_some() {
        approach = approach.noticed();
    } else {
        approach.make_group().await?;
    }
    let crowd = Crowd::new(approach);
    let pace = Pace { parallel: OPENING, per_second: Some(options.ramp.per_second()) };
    crowd.gather(1..options.members + 1, Role::Listener, pace).await?;
    let publisher = publisher(&crowd, options).await?;
    crowd.tally.expect(options.members);
    tell("connected");
    let measured = tokio::select! {
        biased;
        trouble = crowd.trouble() => Err(trouble),
        failed = posts::keep(&crowd) => Err(failed),
        failed = broadcast(&crowd, options) => failed.map(|never| match never {}),
        measured = lead(&crowd, &publisher, options, &mut tell) => measured,
    };
    crowd.leave();
    publisher.end();
    Ok(figures(options, &measured?))
}

/// Who publishes what was asked for.
async fn publisher(crowd: &Rc<Crowd>, options: &FanoutOptions) -> Result<Publisher, BenchError> {
    match options.publish.priority() {
        None => crowd.publisher().await.map(Publisher::User),
        Some(priority) => Ok(Publisher::Operator { operator: operator(crowd)?, priority }),
    }
}

fn operator(crowd: &Crowd) -> Result<Operator, BenchError> {
    let rest = crowd.approach.rest()?;
    let none = || BenchError::Options("operators are for Tidings only".to_owned());
    rest.map(Operator::new).ok_or_else(none)
}

/// Broadcasts as it was asked for, until it is dropped or one is refused.
async fn broadcast(crowd: &Crowd, options: &FanoutOptions) -> Result<Infallible, BenchError> {
    match options.broadcasts {
        None => std::future::pending().await,
        Some(rate) => Ok(operator(crowd)?.broadcast(rate).await?),
    }
}

/// Leads the connected crowd through the phases.
async fn lead(
    crowd: &Rc<Crowd>,
    publisher: &Publisher,
    options: &FanoutOptions,
    tell: &mut impl FnMut(&str),
) -> Result<Measured, BenchError> {
    tokio::time::sleep(options.hold).await;
    // The first goes alone: a member who does not hear this one hears none.
    publishing::publish(crowd, publisher, Instant::now()).await?;
    publishing::arrived(crowd).await?;
    if let Publisher::Operator { operator, .. } = publisher {
        receipts::learn_place(crowd, operator).await?;
    }
    tell("sending");
    let measured = async {
        let mut measured = tokio::select! {
            biased;
            measured = measure(crowd, options) => measured,
            failed = publishing::load(crowd, publisher, options.load()) => {
                return failed.map(|never| match never {});
            }
        };
        tell("drain");
        publishing::arrived(crowd).await?;
        measured.latencies = crowd.tally.latencies();
        measured.out_of_turn = crowd.tally.out_of_turn();
        if let Publisher::Operator { operator, .. } = publisher
            && options.is_acknowledging()
        {
            measured.receipts = Some(receipts::gather(crowd, operator, options).await?);
        }
        Ok(measured)
    };
    tokio::select! {
        biased;
        measured = measured => measured,
        () = publishing::tell_delivered(crowd, options.delivered_every) => {
            Err(BenchError::Failed("nobody can say delivered".to_owned()))
        }
    }
}

/// Warms up, and measures what is published beside it.
async fn measure(crowd: &Crowd, options: &FanoutOptions) -> Measured {
    let watched = Watched::with_generator(&options.server.server_pids);
    tokio::time::sleep(options.warmup).await;
    let (before, begun) = (watched.sample(), Instant::now());
    let (delivered, completed) = (crowd.tally.delivered(), crowd.tally.completed());
    let received = crowd.tally.received_bytes();
    crowd.tally.measure();
    tokio::time::sleep(options.duration).await;
    let (after, seconds) = (watched.sample(), begun.elapsed().as_secs_f64());
    Measured {
        seconds,
        messages: crowd.tally.completed() - completed,
        deliveries: crowd.tally.delivered() - delivered,
        received_bytes: crowd.tally.received_bytes() - received,
        cpu_us: costs::cpu_us(&before, &after),
        latencies: Latencies { each: Latency::new(), last: Latency::new() },
        out_of_turn: 0,
        receipts: None,
    }
}

fn figures(options: &FanoutOptions, measured: &Measured) -> Figures {
    let mut figures = Figures::of("fanout");
    figures.add("target", options.server.target.name());
    figures.add("wire", options.carrier.name());
    figures.add("publish", options.publish.name());
    figures.add("members", options.members);
    figures.add("load", options.load().name());
    figures.add("payload", options.payload);
    figures.add("delivered_every_s", options.delivered_every.as_secs());
    figures.add_fraction("seconds", measured.seconds);
    figures.add("messages", measured.messages);
    figures.add("deliveries", measured.deliveries);
    figures.add_fraction("messages_per_second", f64::from(measured.messages) / measured.seconds);
    let rate = measured.deliveries as f64 / measured.seconds;
    figures.add("deliveries_per_second", format!("{rate:.0}"));
    let deliveries = measured.deliveries.max(1) as f64;
    figures.add_fraction("bytes_per_delivery", measured.received_bytes as f64 / deliveries);
    figures.add_latency("each", &measured.latencies.each);
    figures.add_latency("last", &measured.latencies.last);
    figures.add("out_of_turn", measured.out_of_turn);
    if let Some(Receipts { notice, after }) = measured.receipts {
        let counted = |count: Option<u64>| count.map_or("-".to_owned(), |it| it.to_string());
        figures.add("targets", counted(notice.targets));
        figures.add("receipts_delivered", notice.counts.delivered);
        figures.add_fraction("receipts_after_s", after.as_secs_f64());
        figures.add("receipts_read", notice.counts.read);
    }
    figures.add_costs("cpu_us", &measured.cpu_us, deliveries);
    figures
}
