//! How many pushes each user got in the last hour. Pure; bounded: what is over is forgotten.

use std::collections::HashMap;

use proto::id::UserId;

const HOUR_MS: u64 = 3_600_000;
/// Users that are counted; when there are more, those whose hour is over go, and then all.
const USERS: usize = 100_000;

#[derive(Debug)]
pub(super) struct Hourly {
    most: u32,
    /// Since when, and how many.
    users: HashMap<UserId, (u64, u32)>,
}

impl Hourly {
    pub(super) fn new(most: u32) -> Self {
        Self { most, users: HashMap::new() }
    }

    /// Whether a user may get one more.
    pub(super) fn takes(&mut self, user_id: &UserId, now_ms: u64) -> bool {
        if self.users.len() >= USERS && !self.users.contains_key(user_id) {
            self.users.retain(|_, (since, _)| now_ms < *since + HOUR_MS);
            if self.users.len() >= USERS {
                self.users.clear();
            }
        }
        let (since, count) = self.users.entry(user_id.clone()).or_insert((now_ms, 0));
        if now_ms >= *since + HOUR_MS {
            (*since, *count) = (now_ms, 0);
        }
        *count += 1;
        *count <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_so_many_in_an_hour_and_no_other_one_fewer() {
        let user = |n: usize| UserId::parse_qualified(&format!("user-{n}")).unwrap();
        let mut hourly = Hourly::new(2);
        let mut takes = |n, ms| hourly.takes(&user(n), ms);
        assert!(takes(1, 0) && takes(1, 10) && !takes(1, 20) && takes(2, 20));
        assert!(takes(1, HOUR_MS));
        for n in 0..USERS + 10 {
            takes(n, HOUR_MS + 1);
        }
        assert!(hourly.users.len() <= USERS);
    }
}
