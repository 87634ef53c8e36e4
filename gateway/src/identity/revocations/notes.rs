//! Tells the chat store which tokens devices use, so that a device can be ended while it is away: before it
//! is let in where the store answers, and as soon as it does where not.
//!
//! One call is under way at a time; what comes meanwhile is the next one.

use std::time::Duration;

use platform::backoff::Backoff;
use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::chat::revocations_client::RevocationsClient;
use proto::chat::{DeviceToken, NoteRequest};
use proto::id::{DeviceId, UserId};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::identity::Credential;

/// Tokens of one call.
const TOKENS: usize = 500;
/// Tokens waiting for it; arrivals beyond wait in their handshake.
const QUEUE: usize = 4_096;
/// Tokens that are told later because the store did not answer; those beyond are told by their next use.
const UNTOLD: usize = 10_000;
/// How long a call may take, and with it an arrival while the store does not answer.
const CALL: Duration = Duration::from_secs(1);

type Event = (DeviceToken, oneshot::Sender<()>);
/// Half of a SHA-256, which is enough to tell them apart.
type Key = [u8; 16];

/// The entrance.
#[derive(Debug)]
pub(crate) struct Notes {
    sender: mpsc::Sender<Event>,
    /// What is stored already, as far as it is remembered.
    lately: Cache<Key, ()>,
}

/// What the task reads.
pub(crate) struct NoteEvents(mpsc::Receiver<Event>);

/// The task.
pub(crate) struct NoteTeller {
    pub(crate) client: RevocationsClient<GrpcChannel>,
    pub(crate) shutdown: Shutdown,
}

impl Notes {
    /// Remembers so many.
    pub(crate) fn new(remembered: usize) -> (Self, NoteEvents) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender, lately: Cache::new(remembered.max(1)) }, NoteEvents(receiver))
    }

    /// Resolves when it is stored, or was tried.
    pub(crate) async fn note(
        &self,
        credential: &Credential,
        user_id: &UserId,
        device_id: &DeviceId,
    ) {
        let key = key(credential, device_id);
        if self.lately.get(&key).is_some() {
            return;
        }
        let token = DeviceToken {
            user_id: user_id.to_string(),
            device_id: device_id.to_string(),
            token_id: credential.token_id.to_vec().into(),
            issued_secs: credential.issued_secs,
            until_ms: credential.until_ms,
        };
        let (done, noted) = oneshot::channel();
        if self.sender.send((token, done)).await.is_ok() && noted.await.is_ok() {
            self.lately.insert(key, ());
        }
    }
}

fn key(credential: &Credential, device_id: &DeviceId) -> Key {
    let mut digest = Sha256::new();
    digest.update(credential.token_id);
    digest.update(device_id.as_str().as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    key
}

impl NoteTeller {
    /// Runs until the last entrance is gone.
    pub(crate) async fn run(mut self, mut events: NoteEvents) {
        let mut untold: Vec<DeviceToken> = Vec::new();
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let mut batch: Vec<Event> = Vec::new();
            if untold.is_empty() {
                if events.0.recv_many(&mut batch, TOKENS).await == 0 {
                    return;
                }
            } else {
                tokio::select! {
                    received = events.0.recv_many(&mut batch, TOKENS) => if received == 0 {
                        return;
                    },
                    () = tokio::time::sleep(backoff.next_delay()) => {}
                    () = self.shutdown.forced() => return,
                }
            }
            if batch.is_empty() {
                let some: Vec<DeviceToken> = untold.iter().take(TOKENS).cloned().collect();
                if self.tell(some).await {
                    untold.drain(..untold.len().min(TOKENS));
                    backoff.reset();
                }
                continue;
            }
            let tokens: Vec<DeviceToken> = batch.iter().map(|(token, _)| token.clone()).collect();
            if self.tell(tokens.clone()).await {
                for (_, done) in batch {
                    // The session may have given up waiting; then this does nothing.
                    let _ = done.send(());
                }
            } else {
                // The waiting sessions go on: without the store no device can be ended either.
                drop(batch);
                let room = UNTOLD.saturating_sub(untold.len());
                untold.extend(tokens.into_iter().take(room));
            }
        }
    }

    async fn tell(&mut self, tokens: Vec<DeviceToken>) -> bool {
        let told = tokio::select! {
            told = tokio::time::timeout(CALL, self.client.note(NoteRequest { tokens })) => told,
            () = self.shutdown.forced() => return false,
        };
        match told {
            // Asked for something that it cannot take, it would not take it later.
            Ok(Err(status)) if status.code() == tonic::Code::InvalidArgument => {
                tracing::error!(%status, "tokens of devices are not noted");
                true
            }
            told => matches!(told, Ok(Ok(_))),
        }
    }
}
