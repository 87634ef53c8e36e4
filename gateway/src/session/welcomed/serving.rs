//! A session of a client that asked for batches or for what fits its network. All others have none of
//! this.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proto::frame::server::{Quality, ServerFrame};
use websocket::Encoding;

use super::super::asked::{Asked, Network};
use super::super::batching::{self, Batching, Hold};
use super::super::quality::Meter;
use super::{Session, Step};
use crate::net::frame::Frame;
use crate::net::transport::Transport;

/// How it is served.
#[derive(Debug)]
pub(super) struct Serving {
    asked: Asked,
    batching: Batching,
    hold: Hold,
    /// By the profile; none before there is one.
    heartbeat: Option<Duration>,
    meter: Meter,
    /// Of the profile in use.
    quality: Option<Quality>,
    /// The heartbeat that is not answered yet, by its number.
    ping: Option<(u32, Instant)>,
    pings: u32,
}

impl Serving {
    pub(super) fn new(asked: &Asked) -> Box<Self> {
        let none = Batching { frames: 1, wait: Duration::ZERO };
        Box::new(Self {
            asked: *asked,
            batching: asked.batching.unwrap_or(none),
            hold: Hold::default(),
            heartbeat: None,
            meter: Meter::default(),
            quality: None,
            ping: None,
            pings: 0,
        })
    }

    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// When something is to be written that was held back.
    pub(super) fn due(&self) -> Option<Instant> {
        self.hold.due()
    }

    /// True when something was held back for long enough.
    pub(super) fn is_due(&mut self) -> bool {
        self.hold.is_due(Instant::now())
    }

    /// Whether what waits is to be written now; else it is due later.
    pub(super) fn may_write(&mut self, waiting: usize, is_urgent: bool) -> bool {
        if is_urgent {
            self.hold = Hold::default();
            return true;
        }
        self.hold.came(waiting, self.batching, Instant::now())
    }

    /// The frames as batches, where there are several.
    pub(super) fn batched(
        &self,
        frames: VecDeque<Frame>,
        encoding: Encoding,
        frame_bytes: usize,
    ) -> VecDeque<Frame> {
        if self.batching.frames < 2 || frames.len() < 2 {
            return frames;
        }
        let mut rest = Vec::from(frames);
        let mut batches = VecDeque::new();
        while !rest.is_empty() {
            let sizes = rest.iter().map(Frame::len);
            let count = batching::next(sizes, self.batching.frames, frame_bytes);
            let next = rest.drain(..count);
            batches.push_back(match next.as_slice() {
                [alone] => alone.clone(),
                several => Frame::batch(several.iter(), encoding),
            });
        }
        batches
    }
}

impl Session {
    /// What has to be said before anything else.
    pub(super) async fn begin(&mut self, transport: &mut Transport) -> Step {
        match self.serving.as_ref().and_then(|serving| serving.asked.network) {
            None => Step::On,
            Some(Network::Fixed(quality)) => {
                self.adopt(transport, quality);
                self.flush_replies(transport).await
            }
            // Measured at once, not only after the first interval.
            Some(Network::Auto) => self.ping(transport).await,
        }
    }

    /// How often it is pinged.
    pub(super) fn heartbeat(&self) -> Duration {
        let serving = self.serving.as_ref().and_then(|serving| serving.heartbeat());
        serving.unwrap_or(Duration::from_millis(self.context.limits.heartbeat_ms))
    }

    /// Sends a heartbeat, numbered where it is measured. One that was not answered before counts as lost.
    pub(super) async fn ping(&mut self, transport: &mut Transport) -> Step {
        let mut payload = None;
        if let Some(serving) = &mut self.serving
            && serving.asked.network == Some(Network::Auto)
        {
            serving.pings = serving.pings.wrapping_add(1);
            payload = Some(serving.pings.to_be_bytes());
            let before = serving.ping.replace((serving.pings, Instant::now()));
            if before.is_some() {
                let quality = serving.meter.lost(&self.context.network);
                self.adopt(transport, quality);
            }
        }
        let patience = Duration::from_millis(self.context.limits.write_timeout_ms);
        Self::in_time(patience, transport.ping(payload.as_ref().map_or(&[], |number| &number[..])))
            .await
    }

    /// A heartbeat came back.
    pub(super) async fn pong(&mut self, transport: &mut Transport, payload: &[u8]) -> Step {
        let Some(serving) = &mut self.serving else { return Step::On };
        let Some((number, sent)) = serving.ping else { return Step::On };
        // An answer to an earlier one came after it was counted as lost.
        if payload != number.to_be_bytes() {
            return Step::On;
        }
        serving.ping = None;
        let quality = serving.meter.answered(sent.elapsed(), &self.context.network);
        self.adopt(transport, quality);
        self.flush_replies(transport).await
    }

    /// Serves by the profile of this quality from now on, and says so.
    fn adopt(&mut self, transport: &mut Transport, quality: Quality) {
        let Some(serving) = &mut self.serving else { return };
        if serving.quality == Some(quality) {
            return;
        }
        let mut told = self.context.network.optimization(quality);
        serving.quality = Some(quality);
        serving.heartbeat = Some(Duration::from_millis(told.heartbeat_ms));
        if serving.asked.batching.is_none() {
            serving.batching.frames = told.batch as usize;
        }
        told.batch = serving.batching.frames as u32;
        transport.compress(told.compression);
        told.compression = transport.encoding().is_deflated;
        self.context.metrics.quality(quality);
        self.replies.push(ServerFrame::NetworkOptimization(told).to_json());
    }
}
