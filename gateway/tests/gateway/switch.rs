//! Whether a service that the test plays answers.

use tokio::sync::watch;
use tonic::Status;

/// What a service does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers.
    Answers,
    /// Fails at once.
    Away,
    /// Takes the call and says nothing until it is switched.
    Holds,
    /// The same for heartbeats, too.
    Frozen,
}

/// A service's switch.
pub struct Switch(pub watch::Sender<Mode>);

impl Switch {
    pub fn new() -> Self {
        Self(watch::Sender::new(Mode::Answers))
    }

    pub async fn pass(&self) -> Result<(), Status> {
        let mut mode = self.0.subscribe();
        let _ = mode.wait_for(|mode| !matches!(mode, Mode::Holds | Mode::Frozen)).await;
        match *mode.borrow() {
            Mode::Away => Err(Status::unavailable("switched off")),
            Mode::Answers | Mode::Holds | Mode::Frozen => Ok(()),
        }
    }
}
