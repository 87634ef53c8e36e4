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
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use websocket::{Message, ReadError};

use crate::memory::Share;
use crate::net::frame::Frame;
use crate::net::frame::bounds::Counted;

/// Frames are put together up to so many bytes.
const PIECE_BYTES: usize = 64 << 10;
/// Posts of one stream that may wait for a place at once; a client posts one after the other.
const WAITING_POSTS: usize = 4;

/// The session's side.
#[derive(Debug)]
pub(crate) struct EventStream {
    posted: mpsc::Receiver<Post>,
    /// The one that is being taken.
    post: Option<Post>,
    /// Of the frame that was taken last, until the next one is asked for.
    share: Option<Share>,
    inbox: Arc<Inbox>,
    /// None after the event `close`.
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

/// Frames that were posted together. Its places are given back when all of them are taken.
#[derive(Debug)]
struct Post {
    frames: VecDeque<Posted>,
    _places: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// The side of the posts.
#[derive(Debug)]
pub(crate) struct Inbox {
    posts: mpsc::Sender<Post>,
    /// Places for posts that wait; a post without a place is refused.
    waiting: Semaphore,
    /// Whose turn it is: posts are taken in the order in which they came.
    turn: Mutex<()>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    most_frames: u32,
    most_bytes: u32,
}

/// A posted frame and its part of the memory for posts.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) text: String,
    pub(crate) share: Share,
}

/// Why posted frames are not taken. None of them is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Those before were not taken in time, or too many posts wait already.
    Full,
    /// The session has ended.
    Ended,
}

/// A stream, and the body of the answer that carries it. So many posted frames wait at most, and so many
/// bytes; a post that is larger waits until it is alone.
pub(crate) fn open(most_frames: usize, most_bytes: usize) -> (EventStream, Body) {
    let most = |count: usize| u32::try_from(count).unwrap_or(u32::MAX >> 3).clamp(1, u32::MAX >> 3);
    let (most_frames, most_bytes) = (most(most_frames), most(most_bytes));
    let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
    let (posts, posted) = mpsc::channel(most_frames as usize);
    let (pieces, given) = mpsc::channel::<Bytes>(1);
    let (under_way, answer) = oneshot::channel();
    let taken = Arc::new(Semaphore::new(0));
    let inbox = Arc::new(Inbox {
        posts,
        waiting: Semaphore::new(WAITING_POSTS),
        turn: Mutex::default(),
        places: semaphore(most_frames),
        bytes: semaphore(most_bytes),
        most_frames,
        most_bytes,
    });
    let body = Answer {
        pieces: given,
        taken: Arc::clone(&taken),
        has_given: false,
        _under_way: under_way,
    };
    let events = EventStream {
        posted,
        post: None,
        share: None,
        inbox,
        pieces: Some(pieces),
        taken,
        answer: Some(answer),
    };
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
        self.share = None;
        if self.poll_gone(cx).is_ready() {
            return Poll::Ready(None);
        }
        if self.pieces.is_none() {
            // After the event `close` only its end is waited for.
            return Poll::Pending;
        }
        if self.post.is_none() {
            let Some(post) = ready!(self.posted.poll_recv(cx)) else { return Poll::Ready(None) };
            self.post = Some(post);
        }
        // No post is empty.
        let Some(post) = &mut self.post else { return Poll::Pending };
        let Some(Posted { text, share }) = post.frames.pop_front() else { return Poll::Pending };
        self.share = Some(share);
        if post.frames.is_empty() {
            self.post = None;
        }
        Poll::Ready(Some(Ok(Message::Text(text))))
    }

    /// Ready once nobody reads the answer.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(()) };
        let _ = ready!(Pin::new(answer).poll(cx));
        self.answer = None;
        Poll::Ready(())
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
        let piece = Bytes::from_owner(Counted::from(piece));
        pieces.send(piece).await.map_err(|_| gone())?;
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

/// Posts do not wait for a session that has ended.
impl Drop for EventStream {
    fn drop(&mut self) {
        self.inbox.places.close();
        self.inbox.bytes.close();
    }
}

impl Inbox {
    /// Takes all of these frames, in their order, or none. Waits so long for those before.
    pub(crate) async fn take(
        &self,
        frames: Vec<Posted>,
        patience: Duration,
    ) -> Result<(), NotTaken> {
        if frames.is_empty() {
            return Ok(());
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| NotTaken::Full)?;
        match tokio::time::timeout(patience, self.put(frames)).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(NotTaken::Ended),
            Err(_elapsed) => Err(NotTaken::Full),
        }
    }

    /// None when the session has ended.
    async fn put(&self, frames: Vec<Posted>) -> Option<()> {
        let most = |count: usize, most: u32| u32::try_from(count).unwrap_or(most).min(most);
        let bytes = frames.iter().map(|frame| frame.text.len()).sum();
        let _turn = self.turn.lock().await;
        let count = most(frames.len(), self.most_frames);
        let places = Arc::clone(&self.places).acquire_many_owned(count).await.ok()?;
        let count = most(bytes, self.most_bytes);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(count).await.ok()?;
        let post = Post { frames: frames.into(), _places: places, _bytes: bytes };
        // It has room: there are no more posts than places.
        self.posts.send(post).await.ok()
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
        let posted = |&frame: &&str| Posted { text: frame.to_owned(), share: budget.empty(None) };
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
    async fn posts_are_taken_whole_in_their_order_and_wait_for_a_place_so_long() {
        let (mut events, _body) = open(3, 10);
        let inbox = events.inbox();
        let short = Duration::from_millis(20);
        assert_eq!(inbox.take(texts(&["1", "2"]), short).await, Ok(()));
        assert_eq!(inbox.take(texts(&["3", "4"]), short).await, Err(NotTaken::Full));
        assert_eq!(inbox.take(texts(&["3 is too long"]), short).await, Err(NotTaken::Full));
        assert_eq!(inbox.take(texts(&["3"]), short).await, Ok(()));
        // Larger than all places together: taken as soon as it is alone, and whole.
        let larger = ["4", "5", "6", "7, and longer than allowed"];
        let long = Duration::from_secs(15);
        let hearing = async {
            for text in ["1", "2", "3"].iter().chain(&larger) {
                assert_eq!(heard(&mut events).await.as_deref(), Some(*text));
            }
        };
        let (taken, ()) = tokio::join!(inbox.take(texts(&larger), long), hearing);
        assert_eq!(taken, Ok(()));
        assert_eq!(inbox.take(texts(&["8", "9", "10"]), long).await, Ok(()));
        let ending = async { drop(events) };
        let (taken, ()) = tokio::join!(inbox.take(texts(&["11"]), long), ending);
        assert_eq!(taken, Err(NotTaken::Ended), "a waiting post learns of the end");
    }

    #[tokio::test]
    async fn few_posts_of_one_stream_may_wait() {
        let (events, _body) = open(1, 10);
        let inbox = events.inbox();
        assert_eq!(inbox.take(texts(&["1"]), Duration::ZERO).await, Ok(()));
        let later = Duration::from_secs(15);
        let mut waiting: Vec<_> =
            (0..WAITING_POSTS).map(|_| Box::pin(inbox.take(texts(&["2"]), later))).collect();
        for post in &mut waiting {
            assert!(futures_util::poll!(post.as_mut()).is_pending());
        }
        assert_eq!(inbox.take(texts(&["3"]), later).await, Err(NotTaken::Full));
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
