//! SIGUSR1: enough is sent. Unlike Ctrl-C it means something only while the fleet sends, so that a program which says it
//! a moment too late spoils no verdict.

use std::io;

/// Hears the signal from now on; without it the signal would end the process.
#[derive(Debug)]
pub(super) struct Enough {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Enough {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())?,
        })
    }

    /// Ready when it has come since the last time. Cancel safe.
    pub(super) async fn heard(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
