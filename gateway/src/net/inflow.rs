//! A message that is being read: the memory that it takes, and the time. A socket has nothing of this unless a
//! message has come in part. While there is no room the socket is not read, so that its client waits. Must not know
//! what the message says.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::id::UserId;
use tokio::time::{Instant, Sleep};
use websocket::{ReadBounds, ReadError};

use crate::limits::LimitsConfig;
use crate::memory::{Budget, Full, Share};
use crate::net::frame::bounds::Held;

/// What messages of all sockets may take.
#[derive(Debug)]
pub(crate) struct MessageBounds {
    budget: Budget,
    /// A smaller message takes nothing of the budget.
    uncounted_bytes: usize,
    /// How long a message may take from its first byte to its last.
    patience: Duration,
}

impl MessageBounds {
    pub(crate) fn new(limits: &LimitsConfig, budget: Budget) -> Arc<Self> {
        let patience = Duration::from_millis(limits.message_timeout_ms.max(1));
        Arc::new(Self { budget, uncounted_bytes: limits.memory.uncounted_bytes, patience })
    }
}

/// The messages of one socket.
#[derive(Debug)]
pub(crate) struct Inflow {
    bounds: Arc<MessageBounds>,
    /// Whose they are, once that is known.
    owner: Option<UserId>,
    begun: Option<Box<Begun>>,
}

struct Begun {
    share: Option<Share>,
    /// Waits for room.
    room: Option<BoxFuture<'static, Result<Share, Full>>>,
    alarm: Pin<Box<Sleep>>,
    /// Since when nobody reads.
    paused_at: Option<Instant>,
    /// The message is whole, and its memory is given back when the next one is asked for.
    is_whole: bool,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Begun").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Inflow {
    pub(crate) fn new(bounds: Arc<MessageBounds>) -> Self {
        Self { bounds, owner: None, begun: None }
    }

    /// It is known whose messages these are.
    pub(crate) fn belongs_to(&mut self, user_id: &UserId) {
        self.owner = Some(user_id.clone());
    }

    fn begin(begun: &mut Option<Box<Begun>>, patience: Duration) -> &mut Begun {
        begun.get_or_insert_with(|| {
            Box::new(Begun {
                share: None,
                room: None,
                alarm: Box::pin(tokio::time::sleep(patience)),
                paused_at: None,
                is_whole: false,
            })
        })
    }
}

impl ReadBounds for Inflow {
    type Counted = Held;

    fn go_on(&mut self) {
        let Some(begun) = &mut self.begun else { return };
        if begun.is_whole {
            self.begun = None;
        } else if let Some(since) = begun.paused_at.take() {
            let due = begun.alarm.deadline() + since.elapsed();
            begun.alarm.as_mut().reset(due);
        }
    }

    fn pause(&mut self) {
        if let Some(begun) = &mut self.begun {
            begun.paused_at.get_or_insert_with(Instant::now);
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Result<(), ReadError>> {
        if bytes <= self.bounds.uncounted_bytes {
            return Poll::Ready(Ok(()));
        }
        let (budget, owner) = (self.bounds.budget.clone(), self.owner.as_ref());
        let patience = self.bounds.patience;
        let begun = Self::begin(&mut self.begun, patience);
        if begun.room.is_none() {
            let mut share = begun.share.take().unwrap_or_else(|| budget.empty(owner));
            let more = bytes.saturating_sub(share.bytes());
            if share.grow(more).is_ok() {
                begun.share = Some(share);
                return Poll::Ready(Ok(()));
            }
            let waiting = async move {
                share.grow_within(more, patience).await?;
                Ok(share)
            };
            begun.room = Some(waiting.boxed());
        }
        let Some(room) = &mut begun.room else { return Poll::Ready(Ok(())) };
        if let Poll::Ready(share) = room.as_mut().poll(cx) {
            begun.room = None;
            begun.share = Some(share.map_err(|Full| ReadError::NoRoom)?);
            return Poll::Ready(Ok(()));
        }
        ready!(begun.alarm.as_mut().poll(cx));
        Poll::Ready(Err(ReadError::NoRoom))
    }

    fn take_whole(&mut self, bytes: usize) -> Result<(), ReadError> {
        let had =
            self.begun.as_ref().and_then(|begun| begun.share.as_ref()).map_or(0, Share::bytes);
        if bytes > self.bounds.uncounted_bytes.max(had) {
            let begun = Self::begin(&mut self.begun, self.bounds.patience);
            let share =
                begun.share.get_or_insert_with(|| self.bounds.budget.empty(self.owner.as_ref()));
            share.grow(bytes - had).map_err(|Full| ReadError::NoRoom)?;
        }
        if let Some(begun) = &mut self.begun {
            begun.is_whole = true;
        }
        Ok(())
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Self::begin(&mut self.begun, self.bounds.patience).alarm.as_mut().poll(cx)
    }
}
