//! One thread of the fleet: its clients on a runtime of their own, nothing shared but totals.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use verdict::event::Event;
use verdict::history::ClientHistory;
use wire_client::turns::Turns;

use crate::client::{Client, Clients};
use crate::connection;
use crate::counters::Counters;
use crate::load;
use crate::measures::Measures;
use crate::phase::Phase;
use crate::plan::Plan;
use crate::shared::{Common, Shared};
use crate::signalling;

/// How often waiting clients are looked after.
const SWEEP: Duration = Duration::from_millis(20);
/// Each client is looked after about so often.
const ROUND: Duration = Duration::from_secs(1);
/// How long connections may take to close at the end.
const CLOSING: Duration = Duration::from_secs(5);

/// What a thread brings home.
#[derive(Debug)]
pub struct Harvest {
    /// By client number.
    pub clients: Vec<(u32, ClientHistory)>,
    /// Latencies and errors.
    pub measures: Measures,
}

/// Runs the clients of one thread until the phase is [`Phase::Stop`].
pub fn work(
    common: Common,
    counters: Arc<Counters>,
    thread: u32,
    phases: watch::Receiver<Phase>,
) -> io::Result<Harvest> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(live(common, counters, thread, phases))
}

async fn live(
    common: Common,
    counters: Arc<Counters>,
    thread: u32,
    phases: watch::Receiver<Phase>,
) -> io::Result<Harvest> {
    let options = Arc::clone(&common.options);
    let shared = Shared::new(common, counters, thread);
    let numbers = (0..options.client_count())
        .filter(|client| Plan::thread_of(*client, options.threads) == thread);
    let clients: Clients =
        numbers.map(|number| Rc::new(RefCell::new(Client::new(number, &shared)))).collect();
    shared.counters.incomplete.set(clients.len() as u64);
    let between = Duration::from_secs_f64(1.0 / options.ramp.per_second());
    let begin = Instant::now();
    let mut connections = JoinSet::new();
    for client in clients.iter() {
        let start = begin + between.saturating_mul(client.borrow().number());
        let (client, shared) = (Rc::clone(client), Rc::clone(&shared));
        connections.spawn_local(connection::keep_connected(client, shared, start));
    }
    let mut chores = JoinSet::new();
    chores.spawn_local(sweep(Rc::clone(&clients), Rc::clone(&shared), phases.clone()));
    chores.spawn_local(signalling::drive(Rc::clone(&clients), Rc::clone(&shared), phases.clone()));
    chores.spawn_local(load::drive(Rc::clone(&clients), Rc::clone(&shared), phases));
    while let Some(done) = chores.join_next().await {
        done.map_err(io::Error::other)??;
    }
    shared.stop.cancel();
    let up_to_date: Vec<bool> =
        clients.iter().map(|client| client.borrow().is_up_to_date()).collect();
    for client in clients.iter() {
        client.borrow_mut().say_goodbye();
    }
    let closing = tokio::time::timeout(CLOSING, async {
        while let Some(done) = connections.join_next().await {
            done.map_err(io::Error::other)?;
        }
        Ok::<(), io::Error>(())
    });
    if let Ok(closed) = closing.await {
        closed?;
    }
    drop(connections);
    Ok(harvest(&clients, &shared, &up_to_date))
}

/// Takes the records out of the clients.
fn harvest(clients: &Clients, shared: &Shared, is_up_to_date: &[bool]) -> Harvest {
    let mut harvested = Vec::with_capacity(clients.len());
    let now_us = shared.micros(std::time::Instant::now());
    for (client, is_up_to_date) in clients.iter().zip(is_up_to_date) {
        let dev = client.borrow().number();
        shared.record(now_us, || Event::End { dev, reached: *is_up_to_date });
        let history = client.borrow_mut().take_history(*is_up_to_date);
        harvested.push((client.borrow().number(), history));
    }
    let measures = shared.measures.replace(Measures::new());
    Harvest { clients: harvested, measures }
}

/// Looks after the clients: those told to wait at once, the others in turns.
async fn sweep(
    clients: Clients,
    shared: Rc<Shared>,
    phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut interval = tokio::time::interval(SWEEP);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut ticks = Turns::new(clients.len(), ROUND);
    let ack_every = Duration::from_millis(shared.options().ack_every_ms);
    let mut tellings = Turns::new(clients.len(), ack_every);
    let by_number: std::collections::HashMap<u32, usize> =
        (0..).zip(clients.iter()).map(|(at, client)| (client.borrow().number(), at)).collect();
    loop {
        interval.tick().await;
        let now_us = shared.micros(std::time::Instant::now());
        let waiting = shared.waiting.take();
        for number in waiting {
            let client = by_number.get(&number).map(|at| &clients[*at]);
            if client.is_some_and(|client| !client.borrow_mut().resume(&shared, now_us)) {
                shared.waiting.borrow_mut().push(number);
            }
        }
        for at in ticks.due(SWEEP) {
            clients[at].borrow_mut().tick(&shared, now_us);
        }
        if !ack_every.is_zero() {
            for at in tellings.due(SWEEP) {
                clients[at].borrow_mut().tell_delivered(&shared, now_us);
            }
        }
        match *phases.borrow() {
            Phase::Drain if !shared.is_sending.get() => {
                let is_incomplete =
                    |client: &&Rc<RefCell<Client>>| !client.borrow().is_complete(&shared);
                let incomplete = clients.iter().filter(is_incomplete).count() as u64;
                shared.counters.incomplete.set(incomplete);
            }
            Phase::Stop => return Ok(()),
            Phase::Connect | Phase::Send { .. } | Phase::Drain => {}
        }
    }
}
