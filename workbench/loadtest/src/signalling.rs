//! Makes call signals on a schedule, beside the messages: each client of a pair calls its partner.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use crate::client::Clients;
use crate::phase::Phase;
use crate::shared::Shared;
use crate::ticker::Ticker;

/// Signals fall due on ticks no closer than this.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// Makes the signals of this thread while the phase says so.
pub async fn drive(
    clients: Clients,
    shared: Rc<Shared>,
    mut phases: watch::Receiver<Phase>,
) -> io::Result<()> {
    let Some(rate) = shared.options().beside.signals else { return Ok(()) };
    let plan = shared.plan();
    let callers: Vec<usize> = (0..clients.len())
        .filter(|at| !plan.memberships[clients[*at].borrow().number() as usize].is_empty())
        .collect();
    let all = plan.memberships.iter().filter(|memberships| !memberships.is_empty()).count();
    let is_begun = |phase: &Phase| !matches!(phase, Phase::Connect);
    // The coordinator holds the sender until the thread has ended.
    if phases.wait_for(is_begun).await.is_err() || callers.is_empty() {
        return Ok(());
    }
    let rate = rate.per_second() * callers.len() as f64 / all.max(1) as f64;
    let period = Duration::from_secs_f64(1.0 / rate.max(1e-3)).max(SHORTEST_TICK);
    let per_tick = rate * period.as_secs_f64();
    let (mut ticker, mut made) = (Ticker::every(period)?, 0_u64);
    loop {
        for tick in ticker.tick().await? {
            if !matches!(*phases.borrow(), Phase::Send { .. }) {
                return Ok(());
            }
            let due_us = shared.micros(ticker.due(tick));
            let target = (per_tick * (tick + 1) as f64) as u64;
            while made < target {
                let mut client = clients[callers[made as usize % callers.len()]].borrow_mut();
                let number = client.number();
                let conversation = plan.memberships[number as usize][0];
                if let Some(partner) = plan.partner(number, conversation) {
                    client.signal(&shared, partner, call_id(conversation), due_us);
                    client.flush();
                }
                made += 1;
            }
        }
    }
}

/// One call for each pair is enough.
fn call_id(conversation: u32) -> Uuid {
    Uuid::from_u128(u128::from(conversation) + 1)
}
