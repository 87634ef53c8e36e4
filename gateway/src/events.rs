//! Server-sent events for clients whose network lets no WebSocket through: frames go down as events of one
//! long answer, and come up by posts that the session takes one after the other. Knows no session.
//!
//! Both ways are bounded: of the answer one piece waits for the network and everything else in the outbox,
//! as with sockets; of the posts no more than configured.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::frame::Frame;
use crate::memory::Share;
use crate::socket::{Message, ReadError};

/// Frames are put together up to so many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// The session's side.
#[derive(Debug)]
pub(crate) struct EventStream {
    posted: mpsc::Receiver<Posted>,
    inbox: Arc<Inbox>,
    /// None after the goodbye.
    pieces: Option<mpsc::Sender<Bytes>>,
    /// Pieces that the network has taken, but for a few KiB.
    taken: Arc<Semaphore>,
    /// Ends with the answer; none when it has ended.
    answer: Option<oneshot::Receiver<()>>,
}

/// The side of the answer. Wherever it is dropped, the session learns of it.
struct Answer {
    pieces: mpsc::Receiver<Bytes>,
    taken: Arc<Semaphore>,
    has_given: bool,
    _under_way: oneshot::Sender<()>,
}

impl Answer {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        // More is asked for when little is left of what was given.
        if std::mem::replace(&mut self.has_given, true) {
            self.taken.add_permits(1);
        }
        let piece = self.pieces.recv().await?;
        Some((Ok(piece), self))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.taken.close();
    }
}

/// The side of the posts.
#[derive(Debug)]
pub(crate) struct Inbox {
    frames: mpsc::Sender<Posted>,
    /// Waiting.
    bytes: AtomicUsize,
    most_bytes: usize,
}

/// A posted frame and its part of the memory for posts.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) text: String,
    pub(crate) _share: Share,
}

/// Why posted frames are not taken. None of them is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too many wait already.
    Full,
    /// More than ever fit.
    TooMany,
    /// The session has ended.
    Ended,
}

/// A stream, and the body of the answer that carries it. So many posted frames wait at most, and of more
/// than one so many bytes.
pub(crate) fn open(most_frames: usize, most_bytes: usize) -> (EventStream, Body) {
    let (frames, posted) = mpsc::channel(most_frames.max(1));
    let (pieces, given) = mpsc::channel::<Bytes>(1);
    let (under_way, answer) = oneshot::channel();
    let taken = Arc::new(Semaphore::new(0));
    let inbox = Arc::new(Inbox { frames, bytes: AtomicUsize::new(0), most_bytes });
    let body = Answer {
        pieces: given,
        taken: Arc::clone(&taken),
        has_given: false,
        _under_way: under_way,
    };
    let events = EventStream { posted, inbox, pieces: Some(pieces), taken, answer: Some(answer) };
    (events, Body::from_stream(stream::unfold(body, Answer::next)))
}

impl EventStream {
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// The next posted frame; none once nobody reads the answer. Cancel safe.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReadError>>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(None) };
        if Pin::new(answer).poll(cx).is_ready() {
            self.answer = None;
            return Poll::Ready(None);
        }
        if self.pieces.is_none() {
            // After the goodbye only its end is waited for.
            return Poll::Pending;
        }
        self.posted.poll_recv(cx).map(|frame| {
            let frame = frame?.text;
            self.inbox.bytes.fetch_sub(frame.len(), Ordering::AcqRel);
            Some(Ok(Message::Text(frame)))
        })
    }

    /// Writes all these frames and takes them away.
    pub(crate) async fn write(&mut self, frames: &mut VecDeque<Frame>) -> io::Result<()> {
        while !frames.is_empty() {
            let mut piece = Vec::new();
            while let Some(frame) = frames.front() {
                let json = frame.json();
                if !piece.is_empty() && piece.len() + json.len() > PIECE_BYTES {
                    break;
                }
                put_event(&mut piece, json);
                frames.pop_front();
            }
            self.put(piece).await?;
        }
        Ok(())
    }

    /// A comment, which keeps proxies from giving the answer up. Clients do not see it.
    pub(crate) async fn ping(&mut self) -> io::Result<()> {
        self.put(b":\n\n".to_vec()).await
    }

    /// The last event, with code and reason as a socket is closed with; then the answer ends.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        let mut piece = b"event: close\n".to_vec();
        let told = serde_json::json!({ "code": code, "reason": reason });
        put_event(&mut piece, told.to_string().as_bytes());
        let outcome = self.put(piece).await;
        self.pieces = None;
        outcome
    }

    async fn put(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pieces = self.pieces.as_ref().ok_or_else(gone)?;
        pieces.send(piece.into()).await.map_err(|_| gone())?;
        // As with a socket, written is what the network has: a slow reader is waited for here.
        self.taken.acquire().await.map_err(|_| gone())?.forget();
        Ok(())
    }
}

/// One line of data: a line break in JSON is a space between its parts, and would end the line.
fn put_event(piece: &mut Vec<u8>, json: &[u8]) {
    piece.extend_from_slice(b"data: ");
    let is_break = |byte: u8| byte == b'\n' || byte == b'\r';
    piece.extend(json.iter().map(|&byte| if is_break(byte) { b' ' } else { byte }));
    piece.extend_from_slice(b"\n\n");
}

impl Inbox {
    /// Takes all of these frames, in their order, or none.
    pub(crate) fn take(&self, frames: Vec<Posted>) -> Result<(), NotTaken> {
        if frames.len() > self.frames.max_capacity() {
            return Err(NotTaken::TooMany);
        }
        let bytes = frames.iter().map(|frame| frame.text.len()).sum();
        // One post may be as large as it likes, as far as its frames may: the body has a limit.
        let mut room = |waiting: usize| {
            (waiting == 0 || waiting + bytes <= self.most_bytes).then_some(waiting + bytes)
        };
        if self.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, &mut room).is_err() {
            return Err(NotTaken::Full);
        }
        match self.frames.try_reserve_many(frames.len()) {
            Ok(places) => {
                for (place, frame) in places.zip(frames) {
                    place.send(frame);
                }
                Ok(())
            }
            Err(error) => {
                self.bytes.fetch_sub(bytes, Ordering::AcqRel);
                Err(match error {
                    mpsc::error::TrySendError::Full(()) => NotTaken::Full,
                    mpsc::error::TrySendError::Closed(()) => NotTaken::Ended,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use std::future::poll_fn;

    use super::*;
    use crate::memory::Budget;
    use prometheus_client::metrics::gauge::Gauge;

    fn texts(frames: &[&str]) -> Vec<Posted> {
        let budget = Budget::new(1_000, 1_000, Gauge::default());
        let posted = |&frame: &&str| Posted { text: frame.to_owned(), _share: budget.empty(None) };
        frames.iter().map(posted).collect()
    }

    async fn heard(events: &mut EventStream) -> Option<String> {
        match poll_fn(|cx| events.poll_recv(cx)).await {
            Some(Ok(Message::Text(text))) => Some(text),
            _ => None,
        }
    }

    #[tokio::test]
    async fn frames_go_down_as_one_line_each_and_the_goodbye_ends_them() {
        let (mut events, body) = open(4, 100);
        let mut frames = [&b"{\n\"a\":1}"[..], b"{}"].into_iter().map(Frame::answer).collect();
        let reading = async {
            let pieces: Vec<_> =
                body.into_data_stream().map(|piece| piece.unwrap()).collect().await;
            String::from_utf8(pieces.concat()).unwrap()
        };
        let writing = async {
            events.write(&mut frames).await.unwrap();
            events.ping().await.unwrap();
            events.close(4009, "reading too slowly").await.unwrap();
            assert_eq!(heard(&mut events).await, None);
        };
        let (text, ()) = tokio::join!(reading, writing);
        assert_eq!(
            text,
            "data: { \"a\":1}\n\ndata: {}\n\n:\n\nevent: close\n\
             data: {\"code\":4009,\"reason\":\"reading too slowly\"}\n\n"
        );
    }

    #[tokio::test]
    async fn posts_are_taken_whole_in_their_order_and_no_more_than_there_is_room_for() {
        let (mut events, _body) = open(3, 10);
        let inbox = events.inbox();
        assert_eq!(inbox.take(texts(&["1", "2", "3", "4"])), Err(NotTaken::TooMany));
        assert_eq!(inbox.take(texts(&["1", "2"])), Ok(()));
        assert_eq!(inbox.take(texts(&["3", "4"])), Err(NotTaken::Full));
        assert_eq!(inbox.take(texts(&["3 is too long"])), Err(NotTaken::Full));
        assert_eq!(inbox.take(texts(&["3"])), Ok(()));
        for number in ["1", "2", "3"] {
            assert_eq!(heard(&mut events).await.as_deref(), Some(number));
        }
        assert_eq!(inbox.take(texts(&["longer than allowed, but alone"])), Ok(()));
        drop(events);
        assert_eq!(inbox.take(texts(&["5"])), Err(NotTaken::Full), "bytes wait that nobody takes");
    }

    #[tokio::test]
    async fn a_reader_that_hangs_up_ends_the_stream() {
        let (mut events, body) = open(3, 10);
        drop(body);
        assert_eq!(heard(&mut events).await, None);
        let mut frames = VecDeque::from([Frame::answer(b"{}")]);
        assert!(events.write(&mut frames).await.is_err());
    }
}
