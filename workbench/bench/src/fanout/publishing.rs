//! Publishes by the load that was asked for, and says `delivered` for the members.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use wire_client::turns::Turns;
use wire_client::values::Load;

use crate::crowd::Crowd;
use crate::crowd::error::BenchError;
use crate::crowd::operator::Operator;
use crate::crowd::speech;
use crate::crowd::tally::MAX_FLIGHTS;
use crate::crowd::voice::Voice;

/// Nothing arrives for so long: the run is of no use.
const STALLED: Duration = Duration::from_secs(20);
/// How often members are looked after.
const SWEEP: Duration = Duration::from_millis(20);

/// Who publishes.
#[derive(Debug)]
pub enum Publisher {
    /// A user, over a connection.
    User(Rc<Voice>),
    /// An operator, by notices.
    Operator {
        /// Sends them.
        operator: Operator,
        /// Of each of them.
        priority: &'static str,
    },
}

impl Publisher {
    /// What it holds ends.
    pub fn end(&self) {
        if let Self::User(voice) = self {
            voice.reset();
        }
    }
}

/// Publishes one message.
pub async fn publish(crowd: &Crowd, publisher: &Publisher, due: Instant) -> Result<(), BenchError> {
    let number = crowd.tally.begin(due);
    match publisher {
        Publisher::User(voice) => {
            voice.say(&crowd.approach.publish(number))?;
            voice.said().await?;
        }
        Publisher::Operator { operator, priority } => {
            let (id, text) = crowd.approach.notice(number);
            operator.notice(id, &text, priority).await?;
        }
    }
    Ok(())
}

/// Publishes until it is dropped.
pub async fn load(
    crowd: &Crowd,
    publisher: &Publisher,
    load: Load,
) -> Result<Infallible, BenchError> {
    match load {
        Load::None => std::future::pending().await,
        Load::Closed(window) => loop {
            while crowd.tally.on_their_way() < window.max(1) as usize {
                publish(crowd, publisher, Instant::now()).await?;
            }
            one_more(crowd).await?;
        },
        Load::Open(rate) => {
            let between = Duration::from_secs_f64(1.0 / rate);
            let mut due = Instant::now();
            loop {
                tokio::time::sleep_until(due.into()).await;
                publish(crowd, publisher, due).await?;
                due += between;
                let flights = crowd.tally.on_their_way();
                if flights > MAX_FLIGHTS {
                    return Err(BenchError::Overrun(flights));
                }
            }
        }
    }
}

/// Waits until everything has reached everybody.
pub async fn arrived(crowd: &Crowd) -> Result<(), BenchError> {
    while crowd.tally.on_their_way() > 0 {
        one_more(crowd).await?;
    }
    Ok(())
}

/// Waits until one more message has reached everybody.
async fn one_more(crowd: &Crowd) -> Result<(), BenchError> {
    tokio::time::timeout(STALLED, crowd.tally.arrival()).await.map_err(|_| {
        let (number, heard) = crowd.tally.oldest();
        let members = crowd.members.borrow().len() as u32;
        BenchError::Stalled { number, heard, members, seconds: STALLED.as_secs() }
    })
}

/// Lets each member say how far it is, spread over `every`; until dropped.
pub async fn tell_delivered(crowd: &Crowd, every: Duration) {
    if every.is_zero() {
        std::future::pending::<()>().await;
    }
    let conversation = crowd.approach.group.id;
    let members = crowd.members.borrow().clone();
    let mut turns = Turns::new(members.len(), every);
    let mut interval = tokio::time::interval(SWEEP);
    loop {
        interval.tick().await;
        for at in turns.due(SWEEP) {
            let member = &members[at];
            let next = member.next.get();
            if next == member.told.get() {
                continue;
            }
            if let Some(seq) = crowd.tally.place(next - 1) {
                member.told.set(next);
                // A broken socket shows up at its reader.
                let _ = member.voice.say(&speech::delivered(conversation, seq));
            }
        }
    }
}
