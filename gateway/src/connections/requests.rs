//! Requests over REST that wait for what comes over the bus: the answer to an operation, or what was found for an
//! operator. They have numbers of the same counter as connections, so that an answer finds the one or the other; nothing
//! else of them is like a connection. A request leaves the table however it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use proto::bus::answer::Outcome;
use proto::bus::{self, finding::Finding};
use proto::error_code::Stored;
use tokio::sync::{mpsc, oneshot};

use crate::connections::Registry;

/// Findings of one question that wait to be read; further ones are lost, as if nobody had answered.
const FINDINGS: usize = 1_024;

/// The table.
#[derive(Debug)]
pub(crate) struct Requests {
    registry: Arc<Registry>,
    waiting: Mutex<HashMap<u64, Waiter>>,
    /// Further requests are refused.
    most: usize,
}

#[derive(Debug)]
enum Waiter {
    Answer { sender: oneshot::Sender<Came>, since: Instant },
    Findings(mpsc::Sender<Finding>),
}

/// What a request has waited for.
#[derive(Debug, PartialEq)]
pub(crate) enum Came {
    /// A service has answered.
    Answer(Outcome),
    /// No service will; whether it may be stored.
    Failed(Stored),
}

/// A request that waits for one answer.
#[derive(Debug)]
pub(crate) struct Request {
    entry: TableEntry,
    receiver: oneshot::Receiver<Came>,
}

/// A question of an operator, which several answer.
#[derive(Debug)]
pub(crate) struct Question {
    entry: TableEntry,
    receiver: mpsc::Receiver<Finding>,
}

/// A number in the table.
#[derive(Debug)]
struct TableEntry {
    requests: Arc<Requests>,
    number: u64,
}

impl Requests {
    /// At most so many, with numbers that no connection of this registry has.
    pub(crate) fn new(registry: Arc<Registry>, most: usize) -> Self {
        Self { registry, waiting: Mutex::default(), most }
    }

    /// A request that waits from now on; none when there is no room.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Request> {
        let (sender, receiver) = oneshot::channel();
        let entry = self.enter(Waiter::Answer { sender, since: Instant::now() })?;
        Some(Request { entry, receiver })
    }

    /// A question that waits from now on; none when there is no room.
    pub(crate) fn ask(self: &Arc<Self>) -> Option<Question> {
        let (sender, receiver) = mpsc::channel(FINDINGS);
        let entry = self.enter(Waiter::Findings(sender))?;
        Some(Question { entry, receiver })
    }

    /// Hands an answer to its request, if that still waits.
    pub(crate) fn answered(&self, mut answer: bus::Answer) {
        let outcome = answer.take_outcome();
        self.came(answer.connection, Came::Answer(outcome));
    }

    /// No service answers this request: it was not published.
    pub(crate) fn fail(&self, number: u64, stored: Stored) {
        self.came(number, Came::Failed(stored));
    }

    /// The answers to all that began until then went to a queue that is gone.
    pub(crate) fn lose(&self, began_until: Instant) {
        let is_lost = |_: &u64, waiting: &mut Waiter| matches!(waiting, Waiter::Answer { since, .. } if *since <= began_until);
        let lost: Vec<_> = self.waiting.lock().extract_if(is_lost).collect();
        for (_, waiting) in lost {
            if let Waiter::Answer { sender, .. } = waiting {
                // It is over when nobody waits any more.
                let _ = sender.send(Came::Failed(Stored::Unknown));
            }
        }
    }

    /// Hands on what was found for a question.
    pub(crate) fn found(&self, finding: bus::Finding) {
        let Some(found) = finding.finding else { return };
        if let Some(Waiter::Findings(sender)) = self.waiting.lock().get(&finding.connection) {
            let _ = sender.try_send(found);
        }
    }

    fn enter(self: &Arc<Self>, waiting: Waiter) -> Option<TableEntry> {
        let number = self.registry.next_number();
        let mut all = self.waiting.lock();
        if all.len() >= self.most {
            return None;
        }
        all.insert(number, waiting);
        Some(TableEntry { requests: Arc::clone(self), number })
    }

    fn came(&self, number: u64, came: Came) {
        let mut all = self.waiting.lock();
        if matches!(all.get(&number), Some(Waiter::Answer { .. }))
            && let Some(Waiter::Answer { sender, .. }) = all.remove(&number)
        {
            let _ = sender.send(came);
        }
    }

    fn remove(&self, number: u64) {
        let mut all = self.waiting.lock();
        all.remove(&number);
        // A storm of requests must not hold its memory for ever.
        if all.capacity() > 64 && all.len() < all.capacity() / 4 {
            all.shrink_to_fit();
        }
    }
}

impl Request {
    /// By what its answer finds it.
    pub(crate) fn number(&self) -> u64 {
        self.entry.number
    }

    /// Waits.
    pub(crate) async fn answer(self) -> Came {
        let Self { entry, receiver } = self;
        let came = receiver.await.unwrap_or(Came::Failed(Stored::Unknown));
        drop(entry);
        came
    }
}

impl Question {
    /// By what findings come to it.
    pub(crate) fn number(&self) -> u64 {
        self.entry.number
    }

    /// The next finding. Cancel safe.
    pub(crate) async fn next(&mut self) -> Finding {
        match self.receiver.recv().await {
            Some(found) => found,
            // The table has it as long as this is there.
            None => std::future::pending().await,
        }
    }
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        self.requests.remove(self.number);
    }
}

#[cfg(test)]
mod tests {

    use futures_util::FutureExt;
    use proto::bus::{Answer, Pushed, Sent};

    use super::*;

    fn requests(most: usize) -> Arc<Requests> {
        Arc::new(Requests::new(Arc::default(), most))
    }

    fn answer(connection: u64, seq: u64) -> Answer {
        let outcome = Some(sent(seq));
        Answer { connection, outcome, ..Answer::default() }
    }

    fn sent(seq: u64) -> Outcome {
        Outcome::Sent(Sent { seq, ..Sent::default() })
    }

    #[test]
    fn an_answer_comes_to_the_request_of_its_number_and_to_no_connection() {
        let requests = requests(9);
        let (one, other) = (requests.begin().unwrap(), requests.begin().unwrap());
        assert_ne!(requests.registry.next_number(), one.number());
        assert!(requests.registry.get(one.number()).is_none());
        requests.answered(answer(other.number(), 2));
        requests.answered(answer(other.number(), 3));
        assert_eq!(other.answer().now_or_never(), Some(Came::Answer(sent(2))), "the first");
        let waits = one.number();
        assert_eq!(one.answer().now_or_never(), None);
        // It is gone with the one that waited: an answer that comes late finds nobody.
        requests.answered(answer(waits, 4));
        assert!(requests.waiting.lock().is_empty());
    }

    #[test]
    fn what_is_not_published_and_what_was_lost_fails_and_what_began_later_waits_on() {
        let requests = requests(9);
        let (one, two) = (requests.begin().unwrap(), requests.begin().unwrap());
        requests.fail(one.number(), Stored::No);
        assert_eq!(one.answer().now_or_never(), Some(Came::Failed(Stored::No)));
        let lost_at = Instant::now();
        while Instant::now() <= lost_at {
            std::hint::spin_loop();
        }
        let (three, question) = (requests.begin().unwrap(), requests.ask().unwrap());
        requests.lose(lost_at);
        assert_eq!(two.answer().now_or_never(), Some(Came::Failed(Stored::Unknown)));
        assert_eq!(requests.waiting.lock().len(), 2);
        drop((three, question));
        assert!(requests.waiting.lock().is_empty());
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let requests = requests(2);
        let one = (requests.begin().unwrap(), requests.ask().unwrap());
        assert!(requests.begin().is_none() && requests.ask().is_none());
        drop(one);
        assert!(requests.begin().is_some());
    }

    #[test]
    fn findings_come_to_their_question_in_order_and_no_answer_does() {
        let requests = requests(9);
        let mut question = requests.ask().unwrap();
        let finding = |seq| {
            let pushed = Pushed { remembers_since_ms: seq, ..Pushed::default() };
            let finding = Some(Finding::Pushed(pushed));
            bus::Finding { connection: question.number(), finding }
        };
        let (one, two) = (finding(1), finding(2));
        requests.answered(answer(question.number(), 1));
        requests.fail(question.number(), Stored::No);
        for found in [&one, &two] {
            requests.found(found.clone());
        }
        assert_eq!(question.next().now_or_never(), one.finding);
        assert_eq!(question.next().now_or_never(), two.finding);
        assert_eq!(question.next().now_or_never(), None);
    }
}
