//! What a client may say in a time, and what it is told beyond it. The rates themselves are elsewhere.

use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::client::ClientFrame;
use proto::frame::server::ErrorFrame;
use proto::id::ClientId;

use super::Session;
use crate::rates::{Account, TooMuch};

/// What the answer to a frame repeats.
#[derive(Default)]
struct Named {
    reference: Option<String>,
    client_id: Option<ClientId>,
}

impl Session {
    /// Whether a frame is beyond a rate; then it is answered with when to come again.
    pub(super) fn is_too_much(&mut self, frame: &Result<ClientFrame, FrameError>) -> bool {
        let Err(TooMuch { limit, wait }) = self.count(frame) else { return false };
        let Named { reference, client_id } = named(frame);
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id,
            code: ErrorCode::RateLimited,
            message: TooMuch { limit, wait }.text().to_owned(),
            stored: Stored::No,
            retry_after_ms: Some(wait.as_micros().div_ceil(1_000) as u64),
            limit: Some(limit),
        });
        true
    }

    fn count(&mut self, frame: &Result<ClientFrame, FrameError>) -> Result<(), TooMuch> {
        let said = if self.identity.is_exempt {
            Ok(())
        } else {
            self.shared.rates.say(&mut self.booked_us)
        };
        said.inspect_err(|refused| self.shared.metrics.refused(refused.limit.as_str()))?;
        let ask = |costs: &[_]| self.shared.may_ask(&self.identity, costs);
        match frame {
            Ok(ClientFrame::Send(_)) => ask(&[(Account::Messages, 1)]),
            Ok(ClientFrame::Typing(_) | ClientFrame::Status(_)) => ask(&[(Account::States, 1)]),
            Ok(ClientFrame::Sync(_)) => ask(&[(Account::Reads, 1)]),
            Ok(ClientFrame::Signal(signal)) => {
                let bytes = signal.data.as_ref().map_or(0, |data| data.get().len());
                let kib = bytes.div_ceil(1 << 10).max(1);
                let kib = u32::try_from(kib).unwrap_or(u32::MAX);
                ask(&[(Account::Signals, 1), (Account::SignalKib, kib)])
            }
            // Cumulative (a device acknowledges what others say), or answered without others: bounded by
            // the connection's rate alone.
            Ok(
                ClientFrame::Delivered(_)
                | ClientFrame::Read(_)
                | ClientFrame::Ping
                | ClientFrame::Auth(_),
            )
            | Err(_) => Ok(()),
        }
    }
}

fn named(frame: &Result<ClientFrame, FrameError>) -> Named {
    match frame {
        Ok(ClientFrame::Send(send)) => {
            Named { reference: send.r#ref.clone(), client_id: Some(send.client_id) }
        }
        Ok(ClientFrame::Sync(sync)) => Named { reference: sync.r#ref.clone(), client_id: None },
        Ok(ClientFrame::Signal(signal)) => {
            Named { reference: signal.r#ref.clone(), client_id: None }
        }
        Ok(_) => Named::default(),
        Err(error) => Named { reference: error.reference.clone(), client_id: None },
    }
}
