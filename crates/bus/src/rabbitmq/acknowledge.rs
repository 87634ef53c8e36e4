//! Acknowledging on a consumer's channel: from any task, at any time, more than once, too late.
//!
//! The broker closes a channel on which an unknown tag is acknowledged, and a tag that has been
//! acknowledged is unknown. So what is sent only ever grows, and is put on its way under a lock.

use futures_util::FutureExt;
use lapin::Channel;
use lapin::options::BasicAckOptions;
use parking_lot::Mutex;

/// What became of the deliveries of one channel.
pub(super) struct Acknowledgements {
    channel: Channel,
    marks: Mutex<Marks>,
}

#[derive(Default)]
struct Marks {
    /// The highest tag that was handed out.
    delivered: u64,
    /// All up to here is acknowledged.
    acknowledged: u64,
    /// The consumer has been dropped. Its channel lives a moment longer.
    is_over: bool,
}

impl Acknowledgements {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, marks: Mutex::default() }
    }

    /// A batch was handed out and will be acknowledged.
    pub(super) fn delivered(&self, tag: u64) {
        self.marks.lock().delivered = tag;
    }

    /// From now on nothing is acknowledged: all of it comes again.
    pub(super) fn end(&self) {
        self.marks.lock().is_over = true;
    }

    /// Acknowledges this delivery only. Does not wait: a caller that goes away while waiting would
    /// lose the delivery it has taken.
    pub(super) fn one(&self, tag: u64) {
        // The library puts the frame on its way at the first poll. How many can be waiting there is
        // bounded by the prefetch.
        let sent = self.channel.basic_ack(tag, BasicAckOptions { multiple: false }).now_or_never();
        log(sent.unwrap_or(Ok(())));
    }

    /// Acknowledges all up to this one and waits until that is written to the socket.
    pub(super) async fn through(&self, tag: u64) {
        let mut sending = {
            let mut marks = self.marks.lock();
            let tag = tag.min(marks.delivered);
            if marks.is_over || tag <= marks.acknowledged {
                return;
            }
            marks.acknowledged = tag;
            let mut sending =
                Box::pin(self.channel.basic_ack(tag, BasicAckOptions { multiple: true }));
            // On its way before the lock is open: overtaken by a higher one it would be an error.
            if let Some(sent) = (&mut sending).now_or_never() {
                return log(sent);
            }
            sending
        };
        log((&mut sending).await);
    }
}

/// A late acknowledgement is nothing to worry about.
fn log(sent: Result<(), lapin::Error>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "not acknowledged; the batches come again");
    }
}
