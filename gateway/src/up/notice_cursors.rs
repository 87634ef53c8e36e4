//! How far users have received and read the notices of their tenant: gathered for some seconds, since all of a gateway's
//! users say it about the same notice, and sent to a queue of its own. Nobody waits for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Lane};
use parking_lot::Mutex;
use platform::shutdown::Shutdown;
use proto::bus::{Frame, FrameBatch, NoticeCursors as CursorsProto, frame::Body};
use proto::id::{TenantId, UserId};

use crate::clock::unix_ms;

/// Users of one frame.
const AT_ONCE: usize = 1_000;
/// Frames of one batch.
const FRAMES: usize = 16;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Marks {
    delivered_seq: u64,
    read_seq: u64,
}

/// What is gathered.
#[derive(Debug)]
pub(crate) struct NoticeCursors {
    gathered: Mutex<HashMap<UserId, Marks>>,
    /// Users, at most.
    most: usize,
}

impl NoticeCursors {
    pub(crate) fn new(most: usize) -> Self {
        Self { gathered: Mutex::default(), most: most.max(1) }
    }

    /// A user's device has received or read all up to a place; 0 says nothing. False when too much waits.
    pub(crate) fn advance(&self, user_id: &UserId, delivered_seq: u64, read_seq: u64) -> bool {
        self.put(user_id.clone(), Marks { delivered_seq, read_seq })
    }

    fn put(&self, user_id: UserId, marks: Marks) -> bool {
        let mut gathered = self.gathered.lock();
        if gathered.len() >= self.most && !gathered.contains_key(&user_id) {
            return false;
        }
        let of = gathered.entry(user_id).or_default();
        of.delivered_seq = of.delivered_seq.max(marks.delivered_seq);
        of.read_seq = of.read_seq.max(marks.read_seq);
        true
    }

    /// Sends what was gathered, at moments that differ between gateways, until the end.
    pub(crate) async fn run(
        self: Arc<Self>,
        bus: Arc<dyn Bus>,
        (soonest, latest): (Duration, Duration),
        shutdown: Shutdown,
    ) {
        loop {
            let wait = soonest + latest.saturating_sub(soonest).mul_f64(rand::random());
            let is_over = tokio::select! {
                () = tokio::time::sleep(wait) => false,
                () = shutdown.forced() => true,
            };
            self.send(&*bus).await;
            if is_over {
                return;
            }
        }
    }

    async fn send(&self, bus: &dyn Bus) {
        let gathered = std::mem::take(&mut *self.gathered.lock());
        let frames = frames(gathered.iter().map(|(user, marks)| (user, *marks)));
        for batch in frames.chunks(FRAMES) {
            let batch = FrameBatch { gateway: None, frames: batch.to_vec(), oldest_ms: unix_ms() };
            if let Err(error) = bus.publish_frames(Lane::Notices, 0, batch).await {
                tracing::debug!(%error, users = gathered.len(), "cursors of notices wait");
                // All of them: to say it twice is to say it once.
                for (user_id, marks) in gathered {
                    self.put(user_id, marks);
                }
                return;
            }
        }
    }
}

/// One frame for all users of a tenant that have come the same far.
fn frames<'a>(gathered: impl Iterator<Item = (&'a UserId, Marks)>) -> Vec<Frame> {
    let mut groups: BTreeMap<(TenantId, Marks), Vec<&UserId>> = BTreeMap::new();
    for (user_id, marks) in gathered {
        groups.entry((user_id.tenant(), marks)).or_default().push(user_id);
    }
    let mut frames = Vec::new();
    for ((tenant, marks), users) in groups {
        for users in users.chunks(AT_ONCE) {
            frames.push(Frame::from(Body::NoticeCursors(CursorsProto {
                tenant: tenant.to_field(),
                delivered_seq: marks.delivered_seq,
                read_seq: marks.read_seq,
                users: users.iter().map(|user| user.name_str().to_owned()).collect(),
            })));
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use bus::in_process::{InProcessBus, InProcessConfig};

    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    #[tokio::test]
    async fn users_who_have_come_the_same_far_are_one_frame_and_what_was_not_taken_waits() {
        let cursors = NoticeCursors::new(3);
        for name in ["ann", "bob", "acme/ann"] {
            assert!(cursors.advance(&user(name), 5, 0));
        }
        assert!(cursors.advance(&user("ann"), 4, 0), "never back");
        assert!(!cursors.advance(&user("cyd"), 5, 0), "beyond the bound");
        let bus = InProcessBus::new(InProcessConfig::default());
        let mut consumer = bus.consume_frames(Lane::Notices, 0, 1).await.unwrap();
        cursors.send(&bus).await;
        let batch = consumer.next().await.unwrap().batch;
        let mut said: Vec<_> = batch
            .frames
            .into_iter()
            .filter_map(|frame| match frame.body {
                Some(Body::NoticeCursors(cursors)) => Some(cursors),
                _ => None,
            })
            .collect();
        for cursors in &mut said {
            cursors.users.sort();
        }
        said.sort_by_key(|cursors| cursors.users.len());
        assert_eq!(said.len(), 2);
        assert_eq!((said[0].tenant.as_str(), said[0].delivered_seq), ("acme", 5));
        assert_eq!(said[1].users, ["ann", "bob"]);
        cursors.advance(&user("ann"), 6, 6);
        bus.close().await;
        cursors.send(&bus).await;
        assert_eq!(cursors.gathered.lock().len(), 1);
    }
}
