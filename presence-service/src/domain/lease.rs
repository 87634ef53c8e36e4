//! How long presence believes a gateway.
//!
//! A gateway that sends nothing for a lease is taken for dead, and its registrations end. When it
//! begins a new account, what the earlier one named stays until the new one can be complete: a full
//! account of many connections comes in several messages and must not make users vanish meanwhile.

use std::time::Duration;

use platform::number::whole_ms;

/// The terms of leases.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long a gateway is believed after its last sign.
    pub lease: Duration,
    /// How long a gateway has to give a full account.
    pub account: Duration,
}

impl Terms {
    /// When a lease that is renewed now ends.
    pub fn lease_until_ms(&self, now_ms: u64) -> u64 {
        now_ms + whole_ms(self.lease)
    }

    /// When the registrations of an account end that is followed by another one now: when its own lease
    /// would have, but not before the new one can be complete.
    pub fn superseded_until_ms(&self, lease_until_ms: u64, now_ms: u64) -> u64 {
        lease_until_ms.max(now_ms + whole_ms(self.account))
    }
}

/// Whether a lease has ended.
pub fn has_ended(lease_until_ms: u64, now_ms: u64) -> bool {
    lease_until_ms <= now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { lease: Duration::from_secs(10), account: Duration::from_secs(3) };

    #[test]
    fn a_lease_ends_when_nothing_renewed_it() {
        let until = TERMS.lease_until_ms(1_000);
        assert!(!has_ended(until, 10_999));
        assert!(has_ended(until, 11_000));
    }

    #[test]
    fn a_restarted_gateway_does_not_keep_its_old_users_longer_than_their_lease_and_an_account() {
        assert_eq!(TERMS.superseded_until_ms(11_000, 2_000), 11_000);
        assert_eq!(TERMS.superseded_until_ms(11_000, 10_500), 13_500);
    }
}
