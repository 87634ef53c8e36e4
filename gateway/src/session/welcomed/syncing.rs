//! A running sync. Its pages are fetched and written one after the other, so that memory holds one page;
//! in between the client is heard and gets its answers, `pong` above all. Entries that are pushed meanwhile
//! wait behind the last page, so that the device sees each log in its order.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use proto::chat::{SyncEvent, SyncRequest, sync_event};
use proto::error_code::ErrorCode;
use proto::frame::client;
use proto::id::ConversationId;
use tokio::time::Instant;
use tonic::{Response, Status, Streaming};

use super::super::sync;
use super::super::unacknowledged::Due;
use super::{Session, Step};
use crate::memory::Share;
use crate::net::close::Close;
use crate::net::transport::Transport;

/// How long a page may take that nobody asked for.
const REDELIVERY: Duration = Duration::from_secs(2);

/// A sync that a client asked for.
pub(super) struct Asked {
    pub(super) request: SyncRequest,
    pub(super) reference: Option<String>,
    /// What the request takes, where that is much.
    pub(super) share: Option<Box<Share>>,
}

/// What a sync is for.
enum Purpose {
    /// The client asked, and is told the end under this reference.
    Asked(Option<String>),
    /// What the client does not acknowledge of a conversation is pushed again.
    Redelivery(ConversationId),
}

/// The sync under way.
pub(super) struct Syncing {
    call: Call,
    purpose: Purpose,
    /// What the request takes, until it is answered.
    share: Option<Box<Share>>,
    /// When its next page is given up.
    due: Instant,
    /// The one to begin after it. While there is one, the client is not read.
    next: Option<Asked>,
}

enum Call {
    Asking(BoxFuture<'static, Result<Response<Streaming<SyncEvent>>, Status>>),
    Answering(Box<Streaming<SyncEvent>>),
}

/// How a sync goes on.
pub(super) enum Progress {
    Page(SyncEvent),
    /// All pages have come.
    Ended,
    Failed,
}

impl Syncing {
    /// See [`Progress`]. Cancel safe.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        loop {
            match &mut self.call {
                Call::Asking(answer) => match ready!(answer.as_mut().poll(cx)) {
                    Ok(pages) => {
                        self.call = Call::Answering(Box::new(pages.into_inner()));
                        self.share = None;
                    }
                    Err(_) => return Poll::Ready(Progress::Failed),
                },
                Call::Answering(pages) => {
                    return Poll::Ready(match ready!(Pin::new(pages.as_mut()).poll_next(cx)) {
                        Some(Ok(page)) => Progress::Page(page),
                        Some(Err(_)) => Progress::Failed,
                        None => Progress::Ended,
                    });
                }
            }
        }
    }

    /// When its next page is given up.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The client waits for its end.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.purpose, Purpose::Asked(_))
    }

    /// Another one waits for its end.
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }
}

impl Session {
    /// A client asks for all that it lacks.
    pub(super) fn sync(&mut self, frame: client::Sync) {
        let share = self.sync_share.take();
        let reference = frame.r#ref.clone();
        match sync::request(&self.identity.user_id, frame) {
            Ok(request) => self.begin_sync(Asked { request, reference, share }),
            Err(text) => self.refuse(reference, None, ErrorCode::Invalid, text),
        }
    }

    /// Begins a sync, or has it wait for the one under way.
    pub(super) fn begin_sync(&mut self, asked: Asked) {
        if let Some(syncing) = &mut self.syncing {
            syncing.next = Some(asked);
            return;
        }
        let Asked { request, reference, share } = asked;
        self.syncing = Some(Box::new(self.call(request, Purpose::Asked(reference), share)));
    }

    /// Pushes again what is unacknowledged for too long, from the store: one conversation after the other, while no
    /// sync is under way.
    pub(super) fn redeliver(&mut self) -> Step {
        if self.syncing.is_some() {
            return Step::On;
        }
        let Some(unacknowledged) = &mut self.unacknowledged else { return Step::On };
        match unacknowledged.take_due(std::time::Instant::now(), &self.context.patience) {
            None => Step::On,
            Some(Due::GiveUp) => Step::End(Some(Close::Unacknowledged)),
            Some(Due::Again(id, after)) => {
                let request = sync::of_conversation_after(&self.identity.user_id, id, after);
                let syncing = self.call(request, Purpose::Redelivery(id), None);
                self.syncing = Some(Box::new(syncing));
                Step::On
            }
        }
    }

    fn call(&self, request: SyncRequest, purpose: Purpose, share: Option<Box<Share>>) -> Syncing {
        let mut chat = self.context.chat.clone();
        let request = sync::in_pages_of(request, &self.context.limits, self.connection.device_type);
        let request = SyncRequest { roles: self.identity.claims.roles.clone(), ..request };
        let call = Call::Asking(async move { chat.sync(request).await }.boxed());
        let due = self.page_due(&purpose);
        Syncing { call, purpose, share, due, next: None }
    }

    /// Writes the next page, or ends the sync.
    pub(super) async fn go_on_syncing(
        &mut self,
        socket: &mut Transport,
        progress: Progress,
    ) -> Step {
        match progress {
            Progress::Page(page) => {
                if self.takes_page(&page)
                    && let Step::End(ended) = self.deliver_page(socket, page).await
                {
                    return Step::End(ended);
                }
                if let Some(mut syncing) = self.syncing.take() {
                    syncing.due = self.page_due(&syncing.purpose);
                    self.syncing = Some(syncing);
                }
                Step::On
            }
            Progress::Ended => self.end_sync(socket).await,
            Progress::Failed => {
                if let Some(Purpose::Asked(reference)) =
                    self.syncing.as_mut().map(|syncing| &mut syncing.purpose)
                {
                    let reference = reference.take();
                    self.refuse_away(reference, None);
                }
                // Of a redelivery the next try is due anyway.
                self.end_sync(socket).await
            }
        }
    }

    /// Whether a step of the answer is for the client. Of a redelivery only the pages are.
    fn takes_page(&mut self, page: &SyncEvent) -> bool {
        let again = match self.syncing.as_ref().map(|syncing| &syncing.purpose) {
            Some(Purpose::Redelivery(id)) => Some(*id),
            Some(Purpose::Asked(_)) | None => None,
        };
        match (&page.event, again) {
            (Some(sync_event::Event::Done(done)), None) => {
                self.context.down.epoch.told(&done.epoch);
                true
            }
            (Some(sync_event::Event::Page(_)), Some(_)) => {
                self.context.metrics.redelivered.inc();
                true
            }
            (Some(sync_event::Event::Done(done)), Some(id)) => {
                if done.conversations == 0
                    && let Some(unacknowledged) = &mut self.unacknowledged
                {
                    // Not a member any more.
                    unacknowledged.forget(id);
                }
                false
            }
            (_, again) => again.is_none(),
        }
    }

    /// Gives a sync up whose next page does not come.
    pub(super) async fn give_up_sync(&mut self, socket: &mut Transport) -> Step {
        if self.syncing.as_ref().is_some_and(|syncing| syncing.due <= Instant::now()) {
            return self.go_on_syncing(socket, Progress::Failed).await;
        }
        Step::On
    }

    /// Writes what has waited, or begins the next one.
    async fn end_sync(&mut self, socket: &mut Transport) -> Step {
        let next = self.syncing.take().and_then(|syncing| syncing.next);
        if let Some(asked) = next {
            self.begin_sync(asked);
            return self.flush_replies(socket).await;
        }
        self.write_waiting(socket).await
    }

    /// The call's own deadline ends with the first page.
    fn page_due(&self, purpose: &Purpose) -> Instant {
        let patience = match purpose {
            Purpose::Asked(_) => Duration::from_millis(self.context.limits.request_timeout_ms),
            Purpose::Redelivery(_) => REDELIVERY,
        };
        Instant::now() + patience
    }
}
