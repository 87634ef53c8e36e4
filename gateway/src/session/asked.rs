//! What a client says of itself in the query of its request, for sockets and event streams alike. A client
//! that says nothing is served in the usual way.

use std::time::Duration;

use proto::frame::server::Quality;
use serde::Deserialize;

use super::batching::{Batching, MOST_FRAMES, MOST_WAIT_MS};

/// The query.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConnectQuery {
    pub(crate) token: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) device_type: Option<String>,
    /// `off`: this device listens only and acknowledges nothing.
    pub(crate) acks: Option<String>,
    /// Several frames may come as one `batch` of at most so many.
    batch: Option<u32>,
    /// A frame may wait so long for others of its batch, in milliseconds.
    batch_ms: Option<u64>,
    /// `good`, `fair`, `poor`, or `auto`: as it is measured.
    network: Option<String>,
    /// `on`: this client connects to the server that a `redirect` names. A client that a `redirect` has just sent here
    /// leaves this out, and is served here.
    redirect: Option<String>,
    /// `2`: with `heads` this client is told `heads2`.
    heads: Option<String>,
    /// `1`: this client keeps the log of notices: it gets their entries, and is told how far the log is.
    notices: Option<String>,
}

/// What is to be different for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As the client said; by the profile of its network where it said none.
    pub(crate) batching: Option<Batching>,
    pub(crate) network: Option<Network>,
}

/// Which profile a client is served by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// That of the quality that is measured.
    Auto,
    /// Always that of this quality.
    Fixed(Quality),
}

impl ConnectQuery {
    /// Whether the client may be sent to another gateway now.
    pub(crate) fn may_redirect(&self) -> bool {
        self.redirect.as_deref() == Some("on")
    }

    /// Whether the client compares the entries at its heads, too.
    pub(crate) fn compares_entries(&self) -> bool {
        self.heads.as_deref() == Some("2")
    }

    /// Whether the client keeps the log of notices.
    pub(crate) fn keeps_notices(&self) -> bool {
        self.notices.as_deref() == Some("1")
    }

    /// What is asked for beyond the usual, or what is wrong with it.
    pub(crate) fn asked(&self) -> Result<Option<Box<Asked>>, &'static str> {
        let batching = match (self.batch, self.batch_ms) {
            (None, None) => None,
            (Some(frames), _) if !(1..=MOST_FRAMES).contains(&frames) => {
                return Err("batch is 1 to 100 frames");
            }
            (_, Some(wait)) if wait > MOST_WAIT_MS => return Err("batch_ms is 0 to 100"),
            (frames, wait) => Some(Batching {
                frames: frames.unwrap_or(MOST_FRAMES) as usize,
                wait: Duration::from_millis(wait.unwrap_or(0)),
            }),
        };
        let network = match self.network.as_deref() {
            None => None,
            Some("auto") => Some(Network::Auto),
            Some("good") => Some(Network::Fixed(Quality::Good)),
            Some("fair") => Some(Network::Fixed(Quality::Fair)),
            Some("poor") => Some(Network::Fixed(Quality::Poor)),
            Some(_) => return Err("network is auto, good, fair or poor"),
        };
        let is_usual = batching.is_none() && network.is_none();
        Ok((!is_usual).then(|| Box::new(Asked { batching, network })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        batch: Option<u32>,
        batch_ms: Option<u64>,
        network: Option<&str>,
    ) -> Result<Option<Box<Asked>>, &'static str> {
        let network = network.map(str::to_owned);
        ConnectQuery { batch, batch_ms, network, ..ConnectQuery::default() }.asked()
    }

    #[test]
    fn who_asks_for_nothing_gets_nothing_else() {
        assert_eq!(asked(None, None, None), Ok(None));
    }

    #[test]
    fn batches_are_of_up_to_a_hundred_frames_and_milliseconds() {
        let batching = |frames, wait| Batching { frames, wait: Duration::from_millis(wait) };
        let got = |batch, wait| asked(batch, wait, None).unwrap().unwrap().batching.unwrap();
        assert_eq!(got(Some(100), Some(100)), batching(100, 100));
        assert_eq!(got(Some(1), None), batching(1, 0));
        assert_eq!(got(None, Some(5)), batching(100, 5));
        for (batch, wait) in
            [(Some(0), None), (Some(101), None), (None, Some(101)), (Some(5), Some(u64::MAX))]
        {
            assert!(asked(batch, wait, None).is_err(), "{batch:?} {wait:?}");
        }
    }

    #[test]
    fn networks_have_names() {
        let network =
            |name| asked(None, None, Some(name)).map(|asked| asked.unwrap().network.unwrap());
        assert_eq!(network("auto"), Ok(Network::Auto));
        assert_eq!(network("poor"), Ok(Network::Fixed(Quality::Poor)));
        assert!(network("bad").is_err());
    }
}
