//! One publisher, many members online: what a delivery costs the server, and how long it takes.
//!
//! The same load for Tidings, NATS and the floors. Tidings stores and orders each message before it
//! goes out, which the others do not.

pub mod options;
mod publishing;

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};

use crate::crowd::approach::{Approach, Role};
use crate::crowd::costs::{self, Figures, Watched};
use crate::crowd::error::BenchError;
use crate::crowd::tally::Latencies;
use crate::crowd::{Crowd, Pace, posts};
use crate::measures::Latency;
pub use options::FanoutOptions;

/// Connections that may be opening at once.
const OPENING: usize = 200;

/// Runs to the end and blocks meanwhile. `tell` hears of each phase as it begins.
pub fn run(options: &FanoutOptions, tell: impl FnMut(&str)) -> Result<Figures, BenchError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(measure(options, tell))
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
}

async fn measure(
    options: &FanoutOptions,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let is_acknowledging = !options.delivered_every.is_zero();
    let mut approach =
        Approach::prepare(&options.server, options.members, options.payload, is_acknowledging)
            .await?
            .carried(options.carrier)?;
    if is_acknowledging && !options.carrier.hears_json() {
        let text = "--delivered-every is said in JSON, over the WebSocket that the member hears";
        return Err(BenchError::Options(text.to_owned()));
    }
    approach.make_group().await?;
    let crowd = Crowd::new(approach);
    let pace = Pace { parallel: OPENING, per_second: Some(options.ramp.per_second()) };
    crowd.gather(1..options.members + 1, Role::Listener, pace).await?;
    let publisher = crowd.publisher().await?;
    crowd.tally.expect(options.members);
    tell("connected");
    let measured = tokio::select! {
        biased;
        trouble = crowd.trouble() => Err(trouble),
        failed = posts::keep(&crowd) => Err(failed),
        measured = lead(&crowd, &publisher, options, &mut tell) => measured,
    };
    crowd.leave();
    publisher.reset();
    Ok(figures(options, &measured?))
}

/// Leads the connected crowd through the phases.
async fn lead(
    crowd: &Rc<Crowd>,
    publisher: &crate::crowd::voice::Voice,
    options: &FanoutOptions,
    tell: &mut impl FnMut(&str),
) -> Result<Measured, BenchError> {
    tokio::time::sleep(options.hold).await;
    // The first goes alone: whoever does not hear this one hears none.
    publishing::publish(crowd, publisher, Instant::now()).await?;
    publishing::arrived(crowd).await?;
    tell("sending");
    let watched = Watched::with_generator(&options.server.server_pids);
    let measured = async {
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
        }
    };
    let mut measured = tokio::select! {
        biased;
        measured = measured => measured,
        failed = publishing::load(crowd, publisher, options.load()) => return failed.map(|never| match never {}),
        () = publishing::tell_delivered(crowd, options.delivered_every) => {
            return Err(BenchError::Failed("nobody can say delivered".to_owned()));
        }
    };
    tell("drain");
    publishing::arrived(crowd).await?;
    measured.latencies = crowd.tally.latencies();
    measured.out_of_turn = crowd.tally.out_of_turn();
    Ok(measured)
}

fn figures(options: &FanoutOptions, measured: &Measured) -> Figures {
    let mut figures = Figures::of("fanout");
    figures.add("target", options.server.target.name());
    figures.add("wire", options.carrier.name());
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
    for (name, latency) in [("each", &measured.latencies.each), ("last", &measured.latencies.last)]
    {
        let histogram = latency.histogram();
        for (quantile, value) in [
            ("p50", histogram.value_at_quantile(0.5)),
            ("p99", histogram.value_at_quantile(0.99)),
            ("max", histogram.max()),
        ] {
            let ms = Duration::from_micros(value).as_secs_f64() * 1e3;
            figures.add_fraction(&format!("{name}_{quantile}_ms"), ms);
        }
    }
    figures.add("out_of_turn", measured.out_of_turn);
    figures.add_costs("cpu_us", &measured.cpu_us, deliveries);
    figures
}
