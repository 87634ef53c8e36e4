//! Makes the sends: on a schedule (open loop) or as answers come (closed loop).

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::sync::watch;

use crate::client::Clients;
use crate::options::Load;
use crate::phase::Phase;
use crate::shared::Shared;
use crate::ticker::Ticker;

/// Sends fall due on ticks no closer than this: a thousand wake-ups a second cost 1 % of a core.
const SHORTEST_TICK: Duration = Duration::from_millis(1);
/// And no farther apart than this.
const LONGEST_TICK: Duration = Duration::from_millis(50);

/// A client of this thread and the conversation it sends to.
type Lane = (usize, u32);

/// Makes the sends of this thread while the phase says so; returns when the run is over.
pub async fn drive(
    clients: Clients,
    shared: Rc<Shared>,
    mut phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    let is_begun = |phase: &Phase| !matches!(phase, Phase::Connect);
    // The coordinator holds the sender until the thread has ended.
    let Ok(phase) = phases.wait_for(is_begun).await.map(|phase| *phase) else { return Ok(()) };
    if let Phase::Send { measured_us } = phase {
        shared.measured_us.set(measured_us);
        shared.is_sending.set(true);
        match shared.options().load() {
            Load::None => {}
            Load::Open(rate) => open_loop(&clients, &shared, rate, &phases).await?,
            Load::Closed(_) => {
                let now_us = shared.micros(Instant::now());
                for client in clients.iter() {
                    client.borrow_mut().refill(&shared, now_us);
                    client.borrow_mut().flush();
                }
            }
        }
    }
    let _ = phases.wait_for(|phase| matches!(phase, Phase::Drain | Phase::Stop)).await;
    shared.is_sending.set(false);
    let _ = phases.wait_for(|phase| *phase == Phase::Stop).await;
    Ok(())
}

/// The lanes of this thread in the order of the seed, and how many there are in all threads.
fn lanes(clients: &Clients, shared: &Shared) -> (Vec<Lane>, usize) {
    let mut lanes: Vec<Lane> = Vec::new();
    for (at, client) in clients.iter().enumerate() {
        lanes.extend(client.borrow().sending_slots().map(|slot| (at, slot)));
    }
    lanes.shuffle(&mut StdRng::seed_from_u64(shared.options().seed));
    let plan = shared.plan();
    let all = (0..).zip(&plan.conversations).map(|(number, conversation)| {
        conversation.members.iter().filter(|member| plan.is_sender(**member, number)).count()
    });
    let all = all.sum();
    (lanes, all)
}

/// Sends fall due on ticks, whatever the answers do. What a late tick missed is due when it was.
async fn open_loop(
    clients: &Clients,
    shared: &Shared,
    total_rate: f64,
    phases: &watch::Receiver<Phase>,
) -> io::Result<()> {
    let (lanes, all_lanes) = lanes(clients, shared);
    if lanes.is_empty() {
        return Ok(());
    }
    let rate = total_rate * lanes.len() as f64 / all_lanes.max(1) as f64;
    let period = Duration::from_secs_f64(1.0 / rate.max(1e-3)).clamp(SHORTEST_TICK, LONGEST_TICK);
    let per_tick = rate * period.as_secs_f64();
    let mut ticker = Ticker::every(period)?;
    let (mut made, mut lane) = (0_u64, 0);
    let mut touched = Vec::new();
    loop {
        for tick in ticker.tick().await? {
            let due_us = shared.micros(ticker.due(tick));
            if due_us >= shared.measured_us.get().1 {
                return Ok(());
            }
            let now_us = shared.micros(Instant::now());
            // From the start each time: rounding does not add up.
            let target = (per_tick * (tick + 1) as f64) as u64;
            while made < target {
                let (client, slot) = lanes[lane];
                clients[client].borrow_mut().offer(shared, slot, due_us, now_us);
                touched.push(client);
                (made, lane) = (made + 1, (lane + 1) % lanes.len());
            }
        }
        for client in touched.drain(..) {
            clients[client].borrow_mut().flush();
        }
        if !matches!(*phases.borrow(), Phase::Send { .. }) {
            return Ok(());
        }
    }
}
