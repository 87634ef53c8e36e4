//! How much a user may ask for here: one account for all of the user's sockets and requests of this
//! gateway. Users who rest are forgotten first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::rate_limit::Rate;
use proto::id::UserId;
use quick_cache::sync::Cache;

use crate::admission::config::AdmissionConfig;

/// Until when a user has used the rate up.
type Booked = Arc<Mutex<u64>>;

/// The accounts of users, and the rate of a connection.
pub(crate) struct Rates {
    user: Option<Rate>,
    connection: Option<Rate>,
    booked: Cache<UserId, Booked>,
    began: Instant,
}

impl Rates {
    pub(crate) fn new(config: &AdmissionConfig) -> Self {
        let seconds = Duration::from_secs;
        Self {
            user: Rate::new(config.user_frames, seconds(config.user_frames_secs)),
            connection: Rate::new(config.connection_frames, seconds(1)),
            booked: Cache::new(config.rated_users.max(1)),
            began: Instant::now(),
        }
    }

    /// Whether this user may ask for something now; if not, how long to wait.
    pub(crate) fn ask(&self, user_id: &UserId) -> Result<(), Duration> {
        let Some(rate) = self.user else { return Ok(()) };
        let booked = self.booked.get(user_id).unwrap_or_else(|| {
            let booked = Booked::default();
            self.booked.insert(user_id.clone(), Arc::clone(&booked));
            booked
        });
        let mut booked = booked.lock();
        rate.pass(&mut booked, self.now_us())
    }

    /// Whether a connection may say one more frame of any kind. It keeps its own account.
    pub(crate) fn say(&self, booked_us: &mut u64) -> Result<(), Duration> {
        self.connection.map_or(Ok(()), |rate| rate.pass(booked_us, self.now_us()))
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(user_frames: u32, connection_frames: u32) -> Rates {
        let config = AdmissionConfig {
            user_frames,
            user_frames_secs: 3_600,
            connection_frames,
            ..AdmissionConfig::default()
        };
        Rates::new(&config)
    }

    #[test]
    fn each_user_has_an_account() {
        let rates = rates(2, 0);
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        assert!(rates.ask(&ann).is_ok() && rates.ask(&ann).is_ok());
        let wait = rates.ask(&ann).unwrap_err();
        assert!(wait > Duration::from_mins(29) && wait <= Duration::from_mins(30), "{wait:?}");
        assert!(rates.ask(&bob).is_ok());
    }

    #[test]
    fn nothing_configured_is_no_bound() {
        let rates = rates(0, 0);
        let ann = UserId::parse("ann").unwrap();
        assert!((0..10_000).all(|_| rates.ask(&ann).is_ok()));
        let mut booked = 0;
        assert!((0..10_000).all(|_| rates.say(&mut booked).is_ok()));
    }
}
