//! The users who use much of a rate here: whose spending the other gateways are to know. Bounded.

use std::sync::Arc;

use parking_lot::Mutex;
use proto::id::UserId;

use super::{ACCOUNTS, Accounts};

/// A user who spent much in a window of time.
#[derive(Debug)]
pub(super) struct Heavy {
    pub(super) user_id: UserId,
    pub(super) accounts: Arc<Mutex<Accounts>>,
    /// The window.
    pub(super) window: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct HeavyUsers {
    most: usize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    users: Vec<Heavy>,
    /// For whom there was no place.
    left_out: u64,
}

/// What a user was granted here and presence has not been told.
#[derive(Debug)]
pub(crate) struct Untold {
    pub(crate) user_id: UserId,
    /// Of each account, in microseconds of the time of the rates.
    pub(crate) micros: [u64; ACCOUNTS],
    pub(super) accounts: Arc<Mutex<Accounts>>,
}

impl HeavyUsers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, list: Mutex::default() }
    }

    /// Whether there was a place.
    pub(super) fn add(&self, heavy: Heavy) -> bool {
        let mut list = self.list.lock();
        let has_place = list.users.len() < self.most;
        if has_place {
            list.users.push(heavy);
        } else {
            list.left_out += 1;
        }
        has_place
    }

    /// What presence has not been told. Users whose window has passed leave the list. The second part is how many
    /// users had no place.
    pub(super) fn take(&self, window: u64) -> (Vec<Untold>, u64) {
        let mut list = self.list.lock();
        let left_out = std::mem::take(&mut list.left_out);
        // A task that asks for a rate locks the accounts and then the list. So the list is released before the
        // accounts are locked here.
        let users = std::mem::take(&mut list.users);
        drop(list);
        let (mut untold, mut kept) = (Vec::new(), Vec::with_capacity(users.len()));
        for heavy in users {
            let mut accounts = heavy.accounts.lock();
            let micros = std::mem::take(&mut accounts.untold);
            accounts.is_told = heavy.window == window;
            let is_kept = accounts.is_told;
            drop(accounts);
            if micros != [0; ACCOUNTS] {
                let (user_id, accounts) = (heavy.user_id.clone(), Arc::clone(&heavy.accounts));
                untold.push(Untold { user_id, micros, accounts });
            }
            if is_kept {
                kept.push(heavy);
            }
        }
        let mut list = self.list.lock();
        kept.append(&mut list.users);
        list.users = kept;
        (untold, left_out)
    }
}
