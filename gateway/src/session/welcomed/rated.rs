//! What a client may say in a time, and what it is told beyond it. The rates themselves are elsewhere.

use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::server::ErrorFrame;
use proto::id::ClientId;

use super::Session;
use super::said::{Named, Said};
use crate::rates::{Account, TooMuch};

impl Session {
    /// Whether a frame is beyond a rate; then it is answered with when to come again.
    pub(super) fn refuse_beyond_rate(&mut self, said: &Result<Said, FrameError>) -> bool {
        let Err(TooMuch { limit, wait }) = self.count(said) else { return false };
        let Named { reference, client_id } = match said {
            Ok(said) => said.named(),
            Err(error) => Named { reference: error.reference.clone(), client_id: None },
        };
        self.refuse_too_much(reference, client_id, TooMuch { limit, wait });
        true
    }

    pub(super) fn refuse_too_much(
        &mut self,
        reference: Option<String>,
        client_id: Option<ClientId>,
        TooMuch { limit, wait }: TooMuch,
    ) {
        self.tell_error(ErrorFrame {
            r#ref: reference,
            client_id,
            code: ErrorCode::RateLimited,
            message: TooMuch { limit, wait }.text().to_owned(),
            stored: Stored::No,
            retry_after_ms: Some(wait.as_micros().div_ceil(1_000) as u64),
            limit: Some(limit),
            current: None,
        });
    }

    fn count(&mut self, said: &Result<Said, FrameError>) -> Result<(), TooMuch> {
        let of_connection = if self.identity.is_exempt {
            Ok(())
        } else {
            self.context.access.rates.say(&mut self.booked_us)
        };
        of_connection
            .inspect_err(|refused| self.context.metrics.refused(refused.limit.as_str()))?;
        let ask = |costs: &[_]| self.context.access.may_ask(&self.identity, costs);
        match said {
            Ok(Said::Operation(_) | Said::Show(_)) => ask(&[(Account::Messages, 1)]),
            Ok(Said::Typing(_) | Said::Status(_)) => ask(&[(Account::States, 1)]),
            Ok(Said::Sync(_)) => ask(&[(Account::Reads, 1)]),
            Ok(Said::Signal(signal)) => {
                let bytes = signal.data.as_ref().map_or(0, |data| data.get().len());
                let kib = bytes.div_ceil(1 << 10).max(1);
                let kib = u32::try_from(kib).unwrap_or(u32::MAX);
                ask(&[(Account::Signals, 1), (Account::SignalKib, kib)])
            }
            // Cumulative (a device acknowledges what others say), or answered without others: bounded by
            // the connection's rate alone.
            Ok(
                Said::Delivered(_)
                | Said::Read(_)
                | Said::Ping
                | Said::Auth(_)
                // Counted when it is known that it may be said.
                | Said::Broadcast(_),
            )
            | Err(_) => Ok(()),
        }
    }
}
