//! What a client may say in a time, and what it is told beyond it. The rates themselves are elsewhere.

use std::time::Duration;

use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::client::ClientFrame;
use proto::frame::server::ErrorFrame;
use proto::id::ClientId;

use super::Session;

/// What the answer to a frame repeats.
#[derive(Default)]
struct Named {
    reference: Option<String>,
    client_id: Option<ClientId>,
    /// It makes others work, and counts for its user.
    is_asking: bool,
}

impl Session {
    /// Whether a frame is beyond a rate; then it is answered with when to come again.
    pub(super) fn is_too_much(&mut self, frame: &Result<ClientFrame, FrameError>) -> bool {
        if self.identity.is_exempt {
            return false;
        }
        let named = named(frame);
        let (wait, text) = if let Err(wait) = self.shared.rates.say(&mut self.booked_us) {
            self.shared.metrics.refused("connection_frames");
            (wait, "this connection says too much")
        } else if let Err(wait) = self.ask_if(named.is_asking) {
            (wait, "you said too much lately")
        } else {
            return false;
        };
        self.tell_error(ErrorFrame {
            r#ref: named.reference,
            client_id: named.client_id,
            code: ErrorCode::RateLimited,
            message: text.to_owned(),
            stored: Stored::No,
            retry_after_ms: Some(wait.as_micros().div_ceil(1_000) as u64),
        });
        true
    }

    fn ask_if(&self, is_asking: bool) -> Result<(), Duration> {
        if is_asking { self.shared.may_ask(&self.identity) } else { Ok(()) }
    }
}

fn named(frame: &Result<ClientFrame, FrameError>) -> Named {
    match frame {
        Ok(ClientFrame::Send(send)) => Named {
            reference: send.r#ref.clone(),
            client_id: Some(send.client_id),
            is_asking: true,
        },
        Ok(ClientFrame::Sync(sync)) => {
            Named { reference: sync.r#ref.clone(), client_id: None, is_asking: true }
        }
        Ok(ClientFrame::Typing(_) | ClientFrame::Status(_)) => {
            Named { is_asking: true, ..Named::default() }
        }
        // Cumulative, or answered without others: bounded by the connection's rate alone.
        Ok(_) => Named::default(),
        Err(error) => Named { reference: error.reference.clone(), ..Named::default() },
    }
}
