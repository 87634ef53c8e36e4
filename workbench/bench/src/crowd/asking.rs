//! A device that connects and asks for what it lacks.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use uuid::Uuid;
use wire_client::hear::{self, Heard as Frame};

use super::approach::{Approach, Role};
use super::dialing::{self, Dialed};
use super::error::BenchError;
use super::hearing::Heard;
use super::speech;

/// One read of the socket takes at most so many bytes.
const READ_BYTES: usize = 64 * 1024;
/// All that a device lacks comes within this time, or it is an error.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connected device.
#[derive(Debug)]
pub struct Device {
    dialed: Dialed,
}

/// What came of a sync.
#[derive(Debug, Clone, Copy)]
pub struct Synced {
    /// From asking to the first page.
    pub first: Duration,
    /// From asking to `synced`.
    pub all: Duration,
    /// Pages of conversations.
    pub pages: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes of the socket.
    pub bytes: u64,
}

/// What has come so far.
#[derive(Default)]
struct Coming {
    first: Option<Instant>,
    done: Option<Instant>,
    pages: u64,
    entries: u64,
    pongs: Vec<Vec<u8>>,
    wrong: Option<String>,
}

impl Coming {
    fn take(&mut self, heard: Heard<'_>, now: Instant) {
        match heard {
            Heard::Page(page) => match count(page) {
                Ok(entries) => {
                    self.first.get_or_insert(now);
                    (self.pages, self.entries) = (self.pages + 1, self.entries + entries);
                }
                Err(why) => self.wrong = Some(why),
            },
            Heard::Done => self.done = Some(now),
            Heard::Ping(payload) => self.pongs.push(speech::pong(payload)),
            Heard::Refused(why) => self.wrong = Some(why),
            Heard::Closed(code) => self.wrong = Some(format!("close {code}")),
            Heard::Greeting(_) | Heard::Message(_) | Heard::Stored { .. } | Heard::NatsPing => {}
        }
    }
}

/// Entries of a page; an error where the cursor was not taken.
fn count(page: &[u8]) -> Result<u64, String> {
    let strange = |_| "a page is not understood".to_owned();
    let Frame::SyncPage(mut page) = hear::parse(page).map_err(strange)? else {
        return Err("a page is none".to_owned());
    };
    if page.is_reset {
        return Err("the cursor was reset".to_owned());
    }
    let mut entries = 0;
    while page.entries.next().map_err(strange)?.is_some() {
        entries += 1;
    }
    Ok(entries)
}

impl Device {
    /// Connects, up to `welcome`.
    pub async fn connect(approach: &Approach, number: u32) -> Result<Self, BenchError> {
        let dialed = dialing::dial(approach, number, Role::Visitor).await;
        let dialed = dialed.map_err(|error| BenchError::Failed(error.to_string()))?;
        Ok(Self { dialed })
    }

    /// Asks by this `sync` and hears all that comes of it.
    pub async fn sync(&mut self, approach: &Approach, frame: &[u8]) -> Result<Synced, BenchError> {
        let late = || BenchError::Failed("a sync was not over in time".to_owned());
        let asking = self.ask(approach, frame);
        tokio::time::timeout(PATIENCE, asking).await.map_err(|_| late())?
    }

    async fn ask(&mut self, approach: &Approach, frame: &[u8]) -> Result<Synced, BenchError> {
        let Dialed { reader, voice, hearing, .. } = &mut self.dialed;
        let mut chunk = vec![0; READ_BYTES];
        let (mut coming, mut bytes) = (Coming::default(), 0);
        let asked = Instant::now();
        voice.say(&speech::text(frame))?;
        voice.said().await?;
        loop {
            let count = reader.read(&mut chunk).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let now = Instant::now();
            bytes += count as u64;
            let heard = hearing.feed(&chunk[..count], &approach.finder, |heard| {
                coming.take(heard, now);
            });
            heard.map_err(|error| BenchError::Failed(error.to_string()))?;
            for pong in coming.pongs.drain(..) {
                voice.say(&pong)?;
            }
            if let Some(why) = coming.wrong.take() {
                return Err(BenchError::Failed(why));
            }
            if let Some(done) = coming.done {
                return Ok(Synced {
                    first: coming.first.unwrap_or(done) - asked,
                    all: done - asked,
                    pages: coming.pages,
                    entries: coming.entries,
                    bytes,
                });
            }
        }
    }

    /// Says that the device has all entries of a conversation up to `seq`.
    pub async fn acknowledge(&self, conversation: Uuid, seq: u64) -> io::Result<()> {
        self.dialed.voice.say(&speech::delivered(conversation, seq))?;
        self.dialed.voice.said().await
    }

    /// Ends the connection with a reset.
    pub fn leave(self) {
        self.dialed.voice.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: &str, reset: bool) -> String {
        let id = Uuid::now_v7();
        format!(
            r#"{{"type":"sync_page","conversation_id":"{id}","entries":[{entries}],"head":9,"reset":{reset}}}"#
        )
    }

    #[test]
    fn pages_and_their_entries_are_counted_until_all_has_come() {
        let (mut coming, now) = (Coming::default(), Instant::now());
        for entries in ["", r#"{"seq":1},{"seq":2}"#] {
            coming.take(Heard::Page(page(entries, false).as_bytes()), now);
        }
        assert_eq!((coming.pages, coming.entries, coming.done), (2, 2, None));
        coming.take(Heard::Done, now);
        assert!(coming.done.is_some() && coming.wrong.is_none());
    }

    #[test]
    fn a_cursor_that_is_not_taken_is_an_error() {
        let mut coming = Coming::default();
        coming.take(Heard::Page(page("", true).as_bytes()), Instant::now());
        assert_eq!(coming.wrong.as_deref(), Some("the cursor was reset"));
    }
}
