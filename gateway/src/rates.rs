//! How much a user may ask for here. Each user has several accounts, one for each kind of request, so that
//! what one kind uses up costs the others nothing; all of the user's sockets and requests of this gateway
//! share them. Users who rest are forgotten first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::rate_limit::Rate;
use proto::error_code::Limit;
use proto::id::UserId;
use quick_cache::sync::Cache;

use crate::admission::config::AdmissionConfig;

/// An account of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// `send` and requests that change something.
    Messages,
    /// `typing` and `status`.
    States,
    /// Call signals.
    Signals,
    /// Their bytes, in KiB.
    SignalKib,
    /// `sync` and requests that read.
    Reads,
    /// Broadcasts.
    Broadcasts,
}

/// How many accounts a user has.
const ACCOUNTS: usize = 6;

/// Of each account, until when the user has used its rate up.
type Booked = Arc<Mutex<[u64; ACCOUNTS]>>;

/// A request that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch {
    /// The limit that it met.
    pub(crate) limit: Limit,
    /// When to come again.
    pub(crate) wait: Duration,
}

/// The accounts of users, and the rate of a connection.
pub(crate) struct Rates {
    users: [Option<Rate>; ACCOUNTS],
    connection: Option<Rate>,
    booked: Cache<UserId, Booked>,
    began: Instant,
}

impl Account {
    fn place(self) -> usize {
        self as usize
    }

    /// What a client is told that has used it up.
    fn limit(self) -> Limit {
        match self {
            Self::Messages => Limit::Messages,
            Self::States => Limit::States,
            Self::Signals => Limit::Signals,
            Self::SignalKib => Limit::SignalBytes,
            Self::Reads => Limit::Reads,
            Self::Broadcasts => Limit::Broadcasts,
        }
    }
}

impl TooMuch {
    /// For people.
    pub(crate) fn text(&self) -> &'static str {
        match self.limit {
            Limit::Messages => "you sent too many messages lately",
            Limit::States => "you told your state too often lately",
            Limit::Signals | Limit::SignalBytes => "you sent too many call signals lately",
            Limit::Reads => "you asked for too much lately",
            Limit::Broadcasts => "you sent too many broadcasts lately",
            Limit::Frames => "this connection says too much",
            Limit::Waiting => "too many requests before this one wait",
        }
    }
}

impl Rates {
    pub(crate) fn new(config: &AdmissionConfig) -> Self {
        let time = Duration::from_secs(config.user_frames_secs);
        let users = [
            config.user_frames,
            config.user_states,
            config.user_signals,
            config.user_signal_bytes.div_ceil(1 << 10),
            config.user_reads,
            config.user_broadcasts,
        ];
        Self {
            users: users.map(|count| Rate::new(count, time)),
            connection: Rate::new(config.connection_frames, Duration::from_secs(1)),
            booked: Cache::new(config.rated_users.max(1)),
            began: Instant::now(),
        }
    }

    /// Whether this user may ask for something now that costs so much of these accounts. It is counted in
    /// all of them or in none.
    pub(crate) fn ask(&self, user_id: &UserId, costs: &[(Account, u32)]) -> Result<(), TooMuch> {
        if costs.iter().all(|(account, _)| self.users[account.place()].is_none()) {
            return Ok(());
        }
        let booked = self.booked(user_id);
        let mut booked = booked.lock();
        let (mut after, now_us) = (*booked, self.now_us());
        for (account, count) in costs {
            if let Some(rate) = self.users[account.place()] {
                let passed = rate.pass_many(*count, &mut after[account.place()], now_us);
                passed.map_err(|wait| TooMuch { limit: account.limit(), wait })?;
            }
        }
        *booked = after;
        Ok(())
    }

    /// Counts what this user was granted at other gateways.
    #[cfg_attr(not(test), expect(dead_code, reason = "gateways do not share their accounts yet"))]
    pub(crate) fn spent_elsewhere(&self, user_id: &UserId, account: Account, count: u32) {
        let Some(rate) = self.users[account.place()] else { return };
        let booked = self.booked(user_id);
        rate.book(count, &mut booked.lock()[account.place()], self.now_us());
    }

    /// Whether a connection may say one more frame of any kind. It keeps its own account.
    pub(crate) fn say(&self, booked_us: &mut u64) -> Result<(), TooMuch> {
        let said = self.connection.map_or(Ok(()), |rate| rate.pass(booked_us, self.now_us()));
        said.map_err(|wait| TooMuch { limit: Limit::Frames, wait })
    }

    fn booked(&self, user_id: &UserId) -> Booked {
        self.booked.get(user_id).unwrap_or_else(|| {
            let booked = Booked::default();
            self.booked.insert(user_id.clone(), Arc::clone(&booked));
            booked
        })
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [(Account, u32); 1] = [(Account::Messages, 1)];

    fn rates(user_frames: u32, connection_frames: u32) -> Rates {
        let config = AdmissionConfig {
            user_frames,
            user_frames_secs: 3_600,
            user_states: 5,
            user_signals: 4,
            user_signal_bytes: 100 << 10,
            connection_frames,
            ..AdmissionConfig::default()
        };
        Rates::new(&config)
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn each_user_has_an_account() {
        let rates = rates(2, 0);
        let (ann, bob) = (user("ann"), user("bob"));
        assert!(rates.ask(&ann, &MESSAGE).is_ok() && rates.ask(&ann, &MESSAGE).is_ok());
        let TooMuch { limit, wait } = rates.ask(&ann, &MESSAGE).unwrap_err();
        assert_eq!(limit, Limit::Messages);
        assert!(wait > Duration::from_mins(29) && wait <= Duration::from_mins(30), "{wait:?}");
        assert!(rates.ask(&bob, &MESSAGE).is_ok());
    }

    #[test]
    fn what_one_account_uses_up_costs_the_others_nothing() {
        let (rates, ann) = (rates(1, 0), user("ann"));
        for _ in 0..100 {
            let _ = rates.ask(&ann, &[(Account::States, 1)]);
        }
        let refused = rates.ask(&ann, &[(Account::States, 1)]).unwrap_err();
        assert_eq!(refused.limit, Limit::States);
        assert!(rates.ask(&ann, &MESSAGE).is_ok());
        assert!(rates.ask(&ann, &[(Account::Reads, 1)]).is_ok());
    }

    #[test]
    fn what_is_refused_by_one_of_several_accounts_is_counted_in_none() {
        let (rates, ann) = (rates(1, 0), user("ann"));
        let signal = |kib| rates.ask(&ann, &[(Account::Signals, 1), (Account::SignalKib, kib)]);
        assert!(signal(64).is_ok());
        for _ in 0..10 {
            assert_eq!(signal(64).unwrap_err().limit, Limit::SignalBytes);
        }
        assert!((0..3).all(|_| signal(1).is_ok()), "three of four signals were left");
        assert_eq!(signal(1).unwrap_err().limit, Limit::Signals);
    }

    #[test]
    fn what_other_gateways_granted_is_counted_here() {
        let (rates, ann) = (rates(3, 0), user("ann"));
        rates.spent_elsewhere(&ann, Account::Messages, 2);
        assert!(rates.ask(&ann, &MESSAGE).is_ok());
        assert!(rates.ask(&ann, &MESSAGE).is_err());
    }

    #[test]
    fn nothing_configured_is_no_bound() {
        let rates = rates(0, 0);
        let ann = user("ann");
        assert!((0..10_000).all(|_| rates.ask(&ann, &MESSAGE).is_ok()));
        let mut booked = 0;
        assert!((0..10_000).all(|_| rates.say(&mut booked).is_ok()));
    }
}
