//! How much a user may ask for. Each user has several accounts, one for each kind of request, so that what one
//! kind uses up costs the others nothing; all of the user's sockets and requests of this gateway share them, and
//! what is used up at others is learned (`rates::link`). Users who rest are forgotten first.
//!
//! Must not know who asks by what: it is told the user, and answers when to come again.

mod heavy;
pub(crate) mod link;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use platform::rate_limit::Rate;
use proto::error_code::Limit;
use proto::id::UserId;
use quick_cache::sync::Cache;

use crate::admission::config::AdmissionConfig;
use heavy::{Heavy, HeavyUsers};

pub(crate) use heavy::Untold;

/// An account of a user. Presence keeps them by their place: new ones come at the end.
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

/// A user who used more than this part of a rate in one window of its time is told of to the other gateways.
const HEAVY_PART: u64 = 8;

/// The accounts of a user, in microseconds of the time of the rates.
#[derive(Debug, Default)]
struct Accounts {
    /// Until when each rate is used up.
    booked: [u64; ACCOUNTS],
    /// What was granted in this window and is not told.
    untold: [u64; ACCOUNTS],
    /// The window.
    window: u64,
    /// Whether it is told from time to time.
    is_told: bool,
}

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
    accounts: Cache<UserId, Arc<Mutex<Accounts>>>,
    /// None where gateways do not share what they grant.
    heavy: Option<HeavyUsers>,
    time: Duration,
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

impl Accounts {
    /// Whether presence is to be told from now on.
    fn is_heavy(&self, time_us: u64) -> bool {
        !self.is_told && self.untold.iter().any(|untold| *untold > time_us / HEAVY_PART)
    }

    /// Leaves out what was granted so long ago that the rate has paid it off.
    fn begin_to_tell(&mut self, now_us: u64) {
        self.is_told = true;
        for (untold, booked) in self.untold.iter_mut().zip(self.booked) {
            *untold = (*untold).min(booked.saturating_sub(now_us));
        }
    }
}

impl TooMuch {
    /// For people.
    pub(crate) fn text(&self) -> &'static str {
        match self.limit {
            Limit::Messages => "rate limit exceeded for this user: messages",
            Limit::States => "rate limit exceeded for this user: states",
            Limit::Signals | Limit::SignalBytes => {
                "rate limit exceeded for this user: call signals"
            }
            Limit::Reads => "rate limit exceeded for this user: reads",
            Limit::Broadcasts => "rate limit exceeded for this user: broadcasts",
            Limit::Frames => "rate limit exceeded for this connection: frames",
            Limit::TenantMessages => {
                "rate limit exceeded for all users of this application: messages"
            }
            Limit::Waiting => "too many requests of this user await their answer",
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
        let is_shared = config.share_ms > 0 && config.shared_users > 0 && !time.is_zero();
        Self {
            users: users.map(|count| Rate::new(count, time)),
            connection: Rate::new(config.connection_frames, Duration::from_secs(1)),
            accounts: Cache::new(config.rated_users.max(1)),
            heavy: is_shared.then(|| HeavyUsers::new(config.shared_users)),
            time,
            began: Instant::now(),
        }
    }

    /// Whether this user may ask for something now that costs so much of these accounts. It is counted in
    /// all of them or in none.
    pub(crate) fn ask(&self, user_id: &UserId, costs: &[(Account, u32)]) -> Result<(), TooMuch> {
        if costs.iter().all(|(account, _)| self.users[account.place()].is_none()) {
            return Ok(());
        }
        let shared = self.accounts(user_id);
        let mut accounts = shared.lock();
        let (mut after, now_us) = (accounts.booked, self.now_us());
        for (account, count) in costs {
            if let Some(rate) = self.users[account.place()] {
                let passed = rate.pass_many(*count, &mut after[account.place()], now_us);
                passed.map_err(|wait| TooMuch { limit: account.limit(), wait })?;
            }
        }
        accounts.booked = after;
        if let Some(heavy) = &self.heavy {
            self.note(&mut accounts, costs, now_us);
            if accounts.is_heavy(self.time_us()) {
                let window = accounts.window;
                let (user_id, shared) = (user_id.clone(), Arc::clone(&shared));
                if heavy.add(Heavy { user_id, accounts: shared, window }) {
                    accounts.begin_to_tell(now_us);
                }
            }
        }
        Ok(())
    }

    /// Counts what is granted, until presence is told.
    fn note(&self, accounts: &mut Accounts, costs: &[(Account, u32)], now_us: u64) {
        let window = now_us / self.time_us();
        if accounts.window != window && !accounts.is_told {
            accounts.untold = [0; ACCOUNTS];
        }
        accounts.window = window;
        for (account, count) in costs {
            if let Some(rate) = self.users[account.place()] {
                let untold = &mut accounts.untold[account.place()];
                *untold = untold.saturating_add(rate.cost_us(*count));
            }
        }
    }

    /// What heavy users were granted here since the last time, and how many of them had no place.
    pub(crate) fn take_untold(&self) -> (Vec<Untold>, u64) {
        let window = self.now_us() / self.time_us();
        self.heavy.as_ref().map(|heavy| heavy.take(window)).unwrap_or_default()
    }

    /// Takes over what a user has used up at all gateways, with what was granted here until it was told.
    pub(crate) fn learn(&self, untold: &Untold, used_us: &[u64]) {
        let now_us = self.now_us();
        let mut accounts = untold.accounts.lock();
        for (place, used_us) in used_us.iter().enumerate().take(ACCOUNTS) {
            let until = now_us.saturating_add(*used_us).saturating_add(accounts.untold[place]);
            accounts.booked[place] = accounts.booked[place].max(until);
        }
    }

    /// The time of the rates of users.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Whether a connection may say one more frame of any kind. It keeps its own account.
    pub(crate) fn say(&self, booked_us: &mut u64) -> Result<(), TooMuch> {
        let said = self.connection.map_or(Ok(()), |rate| rate.pass(booked_us, self.now_us()));
        said.map_err(|wait| TooMuch { limit: Limit::Frames, wait })
    }

    fn accounts(&self, user_id: &UserId) -> Arc<Mutex<Accounts>> {
        self.accounts.get(user_id).unwrap_or_else(|| {
            let accounts = Arc::<Mutex<Accounts>>::default();
            self.accounts.insert(user_id.clone(), Arc::clone(&accounts));
            accounts
        })
    }

    fn time_us(&self) -> u64 {
        u64::try_from(self.time.as_micros()).unwrap_or(u64::MAX).max(1)
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
        UserId::parse_qualified(name).unwrap()
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

    /// What presence would be told, and by whom.
    fn untold(rates: &Rates) -> Vec<Untold> {
        rates.take_untold().0
    }

    /// What one message takes of an hour of 80.
    const EACH_US: u64 = 45_000_000;

    #[test]
    fn who_uses_more_than_an_eighth_is_told_of_and_each_grant_once() {
        let (rates, ann) = (rates(80, 0), user("ann"));
        let grant = |count: u32| (0..count).for_each(|_| rates.ask(&ann, &MESSAGE).unwrap());
        grant(10);
        assert!(untold(&rates).is_empty(), "an eighth");
        grant(1);
        let first = untold(&rates);
        let [Untold { user_id, micros, .. }] = first.as_slice() else { panic!("{first:?}") };
        // A little of it has been paid off since.
        assert_eq!(*user_id, ann);
        assert!(micros[0] > 10 * EACH_US && micros[0] <= 11 * EACH_US, "{micros:?}");
        assert_eq!(micros[1..], [0; ACCOUNTS - 1]);
        assert!(untold(&rates).is_empty(), "it is told");
        grant(2);
        assert_eq!(untold(&rates)[0].micros[0], 2 * EACH_US);
    }

    #[test]
    fn what_other_gateways_granted_is_counted_here() {
        let (rates, ann) = (rates(80, 0), user("ann"));
        (0..11).for_each(|_| rates.ask(&ann, &MESSAGE).unwrap());
        let told = untold(&rates);
        rates.ask(&ann, &MESSAGE).unwrap();
        // 11 of here and 67 of others, and the one that is not told yet.
        rates.learn(&told[0], &[78 * EACH_US, 0]);
        assert!(rates.ask(&ann, &MESSAGE).is_ok());
        assert_eq!(rates.ask(&ann, &MESSAGE).unwrap_err().limit, Limit::Messages);
        assert!(rates.ask(&ann, &[(Account::Reads, 1)]).is_ok());
        rates.learn(&told[0], &[0]);
        assert!(rates.ask(&ann, &MESSAGE).is_err(), "what was granted here counts in any case");
        rates.learn(&told[0], &[160 * EACH_US, u64::MAX]);
        let wait = rates.ask(&ann, &MESSAGE).unwrap_err().wait;
        assert!(wait > Duration::from_hours(1), "what is owed is waited for: {wait:?}");
    }

    #[test]
    fn no_more_users_are_told_of_than_there_are_places() {
        let config =
            AdmissionConfig { user_frames: 8, shared_users: 2, ..AdmissionConfig::default() };
        let rates = Rates::new(&config);
        for name in ["ann", "bob", "cleo"] {
            (0..3).for_each(|_| rates.ask(&user(name), &MESSAGE).unwrap());
        }
        let (told, left_out) = rates.take_untold();
        assert_eq!((told.len(), left_out), (2, 2), "cleo asked for a place twice");
        let config = AdmissionConfig { share_ms: 0, ..config };
        let rates = Rates::new(&config);
        (0..8).for_each(|_| rates.ask(&user("ann"), &MESSAGE).unwrap());
        assert!(untold(&rates).is_empty(), "nothing is shared");
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
