//! The epoch of the message store, as far as this gateway has heard of it: told in `welcome`, so that a
//! device knows before its first sync whether its cursors mean anything. Nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::chat::HeadsRequest;
use proto::chat::chat_client::ChatClient;

/// From one question to the next while there is no answer.
const APART: Duration = Duration::from_secs(1);

/// The last one that was heard; none before the first.
#[derive(Debug, Default)]
pub(crate) struct Epoch(RwLock<Option<Box<str>>>);

impl Epoch {
    /// A service named it. An empty text names none.
    pub(crate) fn told(&self, epoch: &str) {
        if !epoch.is_empty() && self.0.read().as_deref() != Some(epoch) {
            *self.0.write() = Some(epoch.into());
        }
    }

    /// As it is told to devices.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.read().as_deref().map(str::to_owned)
    }

    /// Asks until it is known.
    pub(crate) async fn learn(
        self: Arc<Self>,
        mut chat: ChatClient<GrpcChannel>,
        shutdown: Shutdown,
    ) {
        let asking = async {
            while self.get().is_none() {
                let request = HeadsRequest { user_ids: Vec::new() };
                match chat.heads(request).await {
                    Ok(reply) => self.told(&reply.into_inner().epoch),
                    Err(status) => tracing::debug!(%status, "the epoch is not known yet"),
                }
                if self.get().is_none() {
                    tokio::time::sleep(APART).await;
                }
            }
        };
        tokio::select! {
            () = asking => {}
            () = shutdown.begun() => {}
        }
    }
}
