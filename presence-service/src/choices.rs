//! What users chose to be shown as, kept in the chat store: a choice outlives Redis and restarts.
//!
//! The presence store remembers choices as a copy. A user of whom it knows none is told to others as
//! offline until the choice has been read, so that nobody sees an invisible user in between. Must not
//! decide who is told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use platform::backoff::Backoff;
use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::chat::chosen_statuses_client::ChosenStatusesClient;
use proto::chat::{ChosenStatus, KeepChosenRequest, ReadChosenRequest};
use proto::id::UserId;
use tokio::sync::Notify;

use crate::announce::Announcements;
use crate::config::PresenceSettings;
use crate::domain::registration::{Cause, Change};
use crate::domain::status::{Chosen, Standing};
use crate::metrics::PresenceMetrics;
use crate::store::{Choice, PresenceStore, Reported, UserState};

/// Users of one question to the chat service, which takes 1,000.
const AT_ONCE: usize = 500;
/// Questions under way at once: a full account may name 100,000 users.
const CALLS: usize = 8;

/// Keeps and reads choices. Clones share it.
#[derive(Clone)]
pub(crate) struct Choices(Arc<Parts>);

struct Parts {
    chat: ChosenStatusesClient<GrpcChannel>,
    store: Arc<dyn PresenceStore>,
    announcements: Announcements,
    metrics: PresenceMetrics,
    timeout: Duration,
    bound: usize,
    /// Users whose choice could not be read when it was wanted.
    unread: Mutex<BTreeSet<UserId>>,
    noted: Notify,
}

impl Choices {
    pub(crate) fn new(
        chat: GrpcChannel,
        store: Arc<dyn PresenceStore>,
        announcements: Announcements,
        metrics: PresenceMetrics,
        settings: &PresenceSettings,
    ) -> Self {
        Self(Arc::new(Parts {
            chat: ChosenStatusesClient::new(chat),
            store,
            announcements,
            metrics,
            timeout: Duration::from_millis(settings.chosen_timeout_ms),
            bound: settings.announcements,
            unread: Mutex::default(),
            noted: Notify::new(),
        }))
    }

    /// Stores choices for good.
    pub(crate) async fn keep(&self, choices: &[Choice]) -> Result<(), String> {
        for choices in choices.chunks(AT_ONCE) {
            let chosen = choices.iter().map(|choice| ChosenStatus {
                user_id: choice.user_id.to_string(),
                status: choice.chosen.as_str().to_owned(),
            });
            let request = KeepChosenRequest { chosen: chosen.collect() };
            let mut chat = self.0.chat.clone();
            self.in_time(request, |request| async move { chat.keep(request).await }).await?;
        }
        Ok(())
    }

    /// Fills in the choices of those who came and of whom the store knew none. When they cannot be read
    /// now they are read later, and the users stay offline for others until then.
    pub(crate) async fn fill_in(&self, reported: &mut Reported) {
        let unread: BTreeSet<UserId> = reported
            .chosen
            .iter()
            .filter(|it| it.chosen == Chosen::Unread)
            .map(|it| it.user_id.clone())
            .collect();
        if unread.is_empty() {
            return;
        }
        let users: Vec<UserId> = unread.into_iter().collect();
        let read = match self.read(&users).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(error, users = users.len(), "choices are read later");
                return self.read_later(users);
            }
        };
        for it in &mut reported.chosen {
            if let Some((_, state)) = read.get(&it.user_id) {
                it.chosen = state.standing.chosen;
            }
        }
        for change in &mut reported.changes {
            if let Some((_, state)) = read.get(&change.user_id) {
                for standing in [&mut change.before, &mut change.after] {
                    if standing.chosen == Chosen::Unread {
                        standing.chosen = state.standing.chosen;
                    }
                }
            }
        }
    }

    /// What a user chose; for the user alone.
    pub(crate) async fn of(&self, user_id: &UserId) -> Result<Chosen, String> {
        let read = self.read(std::slice::from_ref(user_id)).await?;
        Ok(read.get(user_id).map_or(Chosen::Online, |(_, state)| state.standing.chosen))
    }

    /// Has choices read as soon as that is possible.
    pub(crate) fn read_later(&self, users: impl IntoIterator<Item = UserId>) {
        let mut unread = self.0.unread.lock();
        for user_id in users {
            if unread.len() < self.0.bound || unread.contains(&user_id) {
                unread.insert(user_id);
            } else {
                self.0.metrics.choices_dropped.inc();
            }
        }
        drop(unread);
        self.0.noted.notify_one();
    }

    /// Reads what could not be read before, until stopping begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            tokio::select! {
                () = self.0.noted.notified() => {}
                () = shutdown.begun() => return,
            }
            loop {
                let users: Vec<UserId> =
                    self.0.unread.lock().iter().take(AT_ONCE).cloned().collect();
                if users.is_empty() {
                    break;
                }
                match self.read(&users).await {
                    Ok(read) => {
                        backoff.reset();
                        self.0.unread.lock().retain(|user_id| !read.contains_key(user_id));
                        let late = read.into_iter().filter_map(late);
                        self.0.announcements.note(late.collect());
                    }
                    Err(error) => tracing::debug!(error, "choices cannot be read yet"),
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_delay()) => {}
                    () = shutdown.begun() => return,
                }
            }
        }
    }

    /// Reads choices into the store. Of each user: whether the store had none, and how they stand now.
    async fn read(&self, users: &[UserId]) -> Result<HashMap<UserId, (bool, UserState)>, String> {
        // Owned, so that the futures borrow nothing of each other.
        let parts: Vec<Vec<UserId>> = users.chunks(AT_ONCE).map(<[UserId]>::to_vec).collect();
        let read = |users: Vec<UserId>| {
            let this = self.clone();
            async move { this.read_part(&users).await }
        };
        let parts: Vec<_> = stream::iter(parts).map(read).buffered(CALLS).try_collect().await?;
        Ok(users.iter().cloned().zip(parts.into_iter().flatten()).collect())
    }

    async fn read_part(&self, users: &[UserId]) -> Result<Vec<(bool, UserState)>, String> {
        let user_ids = users.iter().map(ToString::to_string).collect();
        let mut chat = self.0.chat.clone();
        let reply =
            self.in_time(ReadChosenRequest { user_ids }, |request| async move {
                chat.read(request).await
            })
            .await?;
        let kept: HashMap<String, String> =
            reply.chosen.into_iter().map(|it| (it.user_id, it.status)).collect();
        // Who never chose, or chose what only a later version knows, is online.
        let chosen = |user_id: &UserId| {
            let kept = kept.get(user_id.as_str()).and_then(|text| Chosen::parse(text));
            (user_id.clone(), kept.unwrap_or(Chosen::Online))
        };
        let choices: Vec<(UserId, Chosen)> = users.iter().map(chosen).collect();
        self.0.store.fill_in(&choices).await.map_err(|error| error.to_string())
    }

    async fn in_time<Q, A, F>(
        &self,
        request: Q,
        call: impl FnOnce(tonic::Request<Q>) -> F,
    ) -> Result<A, String>
    where
        F: Future<Output = Result<tonic::Response<A>, tonic::Status>>,
    {
        let mut request = tonic::Request::new(request);
        request.set_timeout(self.0.timeout);
        let reply = tokio::time::timeout(self.0.timeout, call(request)).await;
        reply
            .map_err(|_| format!("chat did not answer within {:?}", self.0.timeout))?
            .map(tonic::Response::into_inner)
            .map_err(|status| status.to_string())
    }
}

/// What is to be told of a user whose choice was read after they had come.
fn late((user_id, (was_unread, state)): (UserId, (bool, UserState))) -> Option<Change> {
    let UserState { standing, last_seen_ms } = state;
    let before = Standing { chosen: Chosen::Unread, ..standing };
    (was_unread && standing.devices > 0).then(|| Change {
        user_id,
        before,
        after: standing,
        last_seen_ms,
        cause: Cause::Chose,
        by: None,
        replaced: Vec::new(),
    })
}
