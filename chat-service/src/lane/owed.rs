//! Those whom a push did not reach, or could not be addressed to: they are looked up until presence
//! knows, and told how far their conversations have come. Who lacks something then asks for it.
//!
//! Keeps no entries: the log has them. Answers are the one thing that the log does not repeat by
//! itself, so the last of them are kept for a moment and follow their connection to its gateway's next
//! incarnation.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::shutdown::Shutdown;
use proto::bus::{GatewayRef, Push, PushBatch, PushClass};
use proto::frame::server::{Pong, ServerFrame};
use proto::id::UserId;
use tokio::sync::Notify;

use super::{LaneParts, retry_backoff};
use crate::directory::Located;
use crate::planted;

/// Users of one look-up.
const CHUNK: usize = 500;
/// An answer older than this is not waited for any more: the gateway has said that it is unknown.
const ANSWER_LIFE: Duration = Duration::from_secs(10);

/// An answer whose gateway was not there.
#[derive(Debug)]
pub struct LostAnswer {
    /// Whose it is.
    pub user_id: UserId,
    /// The connection that waits for it.
    pub connection: u64,
    /// The push as it was.
    pub push: Push,
}

/// What is owed to whom, bounded.
#[derive(Debug, Default)]
pub struct Owed {
    waiting: Mutex<Waiting>,
    changed: Notify,
    /// Presence does not answer: batches do not wait for it, one task asks until it does.
    is_directory_away: AtomicBool,
    max_users: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    users: BTreeSet<UserId>,
    answers: VecDeque<(Instant, LostAnswer)>,
}

impl Owed {
    /// Remembers at most so many users, and as many answers.
    pub fn new(max_users: usize) -> Self {
        Self { max_users, ..Self::default() }
    }

    /// Remembers; the number of those for whom there was no room. They find out by their own ping.
    pub fn add(
        &self,
        users: impl IntoIterator<Item = UserId>,
        answers: impl IntoIterator<Item = LostAnswer>,
    ) -> usize {
        let mut waiting = self.waiting.lock();
        let mut dropped = 0;
        for user in users {
            if waiting.users.len() < self.max_users || waiting.users.contains(&user) {
                waiting.users.insert(user);
            } else {
                dropped += 1;
            }
        }
        let now = Instant::now();
        waiting.answers.extend(answers.into_iter().map(|answer| (now, answer)));
        while waiting.answers.len() > self.max_users {
            waiting.answers.pop_front();
        }
        drop(waiting);
        self.changed.notify_one();
        dropped
    }

    /// False while presence does not answer.
    pub fn is_directory_up(&self) -> bool {
        !self.is_directory_away.load(Ordering::Relaxed)
    }

    /// Presence did not answer.
    pub fn directory_is_away(&self) {
        self.is_directory_away.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn is_idle(&self) -> bool {
        let waiting = self.waiting.lock();
        self.is_directory_up() && waiting.users.is_empty() && waiting.answers.is_empty()
    }

    fn take(&self) -> (Vec<UserId>, Vec<(Instant, LostAnswer)>) {
        let mut waiting = self.waiting.lock();
        let mut users = Vec::new();
        while users.len() < CHUNK
            && let Some(user) = waiting.users.pop_first()
        {
            users.push(user);
        }
        waiting.answers.retain(|(since, _)| since.elapsed() < ANSWER_LIFE);
        let answers = waiting.answers.drain(..).collect();
        (users, answers)
    }

    fn put_back(&self, answers: Vec<(Instant, LostAnswer)>) {
        let mut waiting = self.waiting.lock();
        waiting.answers.extend(answers);
    }
}

/// Pays what is owed until the end.
pub async fn run(parts: LaneParts, shutdown: Shutdown) {
    let mut backoff = retry_backoff();
    loop {
        if parts.owed.is_idle() {
            backoff.reset();
            tokio::select! {
                () = parts.owed.changed.notified() => {}
                () = shutdown.begun() => return,
            }
        }
        if !pay(&parts).await {
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = shutdown.begun() => return,
            }
        }
    }
}

/// One round. False when something is left to do later.
async fn pay(parts: &LaneParts) -> bool {
    let (users, answers) = parts.owed.take();
    let mut wanted: BTreeSet<UserId> = users.iter().cloned().collect();
    wanted.extend(answers.iter().map(|(_, answer)| answer.user_id.clone()));
    let wanted: Vec<UserId> = wanted.into_iter().collect();
    // With nobody to look up, the next batch finds out whether presence answers again.
    let located = match parts.directory.locate(&wanted, "").await {
        Ok(located) => located,
        Err(error) => {
            tracing::debug!(%error, users = wanted.len(), "still nobody to ask");
            parts.owed.add(users, []);
            parts.owed.put_back(answers);
            return false;
        }
    };
    parts.owed.is_directory_away.store(false, Ordering::Relaxed);
    let (moved, missing) = follow(answers, &located);
    let mut pushes: HashMap<usize, Vec<Push>> = HashMap::new();
    for (gateway, answer) in moved {
        pushes.entry(gateway).or_default().push(answer.push);
    }
    let are_told = heads(parts, &users, &located, &mut pushes).await;
    parts.owed.put_back(missing);
    let mut is_paid = are_told;
    for (gateway, pushes) in pushes {
        let gateway = &located.gateways[gateway];
        if parts.bus.publish_pushes(gateway, PushBatch { pushes }).await.is_err() {
            is_paid = false;
            parts.owed.add(users_at(&users, &located, gateway), []);
        }
    }
    is_paid && parts.owed.waiting.lock().answers.is_empty()
}

type Kept = Vec<(Instant, LostAnswer)>;

/// Connection numbers are never used twice, so the number alone finds the connection again.
fn follow(answers: Kept, located: &Located) -> (Vec<(usize, LostAnswer)>, Kept) {
    let (mut moved, mut missing) = (Vec::new(), Vec::new());
    for (since, answer) in answers {
        let devices = located.devices.get(&answer.user_id).into_iter().flatten();
        let found = devices.into_iter().find(|device| device.connection == answer.connection);
        match found {
            Some(device) => moved.push((device.gateway, answer)),
            None => missing.push((since, answer)),
        }
    }
    (moved, missing)
}

/// Adds a `pong` with the present heads for every connected device. False when they cannot be read.
async fn heads(
    parts: &LaneParts,
    users: &[UserId],
    located: &Located,
    pushes: &mut HashMap<usize, Vec<Push>>,
) -> bool {
    if planted::HEADS_NOT_TOLD_AGAIN {
        return true;
    }
    let online: Vec<UserId> =
        users.iter().filter(|user| located.devices.contains_key(*user)).cloned().collect();
    if online.is_empty() {
        return true;
    }
    let digests = match parts.store.head_digests(&online).await {
        Ok(digests) => digests,
        Err(error) => {
            tracing::debug!(%error, "heads cannot be told yet");
            parts.owed.add(online, []);
            return false;
        }
    };
    for (user, digest) in online.iter().zip(digests) {
        let frame = ServerFrame::Pong(Pong { heads: Some(digest.value()) }).to_json();
        for device in located.devices.get(user).into_iter().flatten() {
            pushes.entry(device.gateway).or_default().push(Push {
                connections: vec![device.connection],
                frame: frame.clone(),
                class: PushClass::Receipt as i32,
                ..Push::default()
            });
        }
    }
    true
}

fn users_at(users: &[UserId], located: &Located, gateway: &GatewayRef) -> Vec<UserId> {
    let is_there = |user: &&UserId| {
        let devices = located.devices.get(*user).into_iter().flatten();
        devices.into_iter().any(|device| &located.gateways[device.gateway] == gateway)
    };
    users.iter().filter(is_there).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Device;
    use proto::bus::DeviceType;

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    fn lost(name: &str, connection: u64) -> LostAnswer {
        LostAnswer { user_id: user(name), connection, push: Push::default() }
    }

    #[test]
    fn more_than_the_bound_is_not_remembered_and_said_so() {
        let owed = Owed::new(2);
        assert_eq!(owed.add(["ann", "bob", "ann", "cleo"].map(user), []), 1);
        let (users, _) = owed.take();
        assert_eq!(users, ["ann", "bob"].map(user));
        assert!(owed.is_idle());
    }

    #[test]
    fn an_answer_follows_its_connection_and_no_other_of_the_same_user() {
        let device = |connection| Device { gateway: 0, connection, device_type: DeviceType::Web };
        let located = Located {
            gateways: vec![GatewayRef { id: "g".to_owned(), epoch: 2 }],
            devices: HashMap::from([(user("ann"), vec![device(7), device(8)])]),
        };
        let answers = vec![(Instant::now(), lost("ann", 8)), (Instant::now(), lost("ann", 9))];
        let (moved, missing) = follow(answers, &located);
        assert_eq!(moved.iter().map(|(_, answer)| answer.connection).collect::<Vec<_>>(), [8]);
        assert_eq!(missing.iter().map(|(_, answer)| answer.connection).collect::<Vec<_>>(), [9]);
    }
}
