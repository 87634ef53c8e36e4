//! Who is told what when a user's standing changes.

use std::time::Duration;

use platform::number::whole_ms;

use super::registration::{Cause, Change};
use super::status::Standing;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Event {
    UserOnline,
    UserOffline,
    DeviceConnected,
    DeviceDisconnected,
    StatusChanged,
}

impl Event {
    /// As it stands in `presence` frames.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserOnline => "user_online",
            Self::UserOffline => "user_offline",
            Self::DeviceConnected => "device_connected",
            Self::DeviceDisconnected => "device_disconnected",
            Self::StatusChanged => "status_changed",
        }
    }
}

/// What those who share a conversation with the user are told. An invisible user looks offline in
/// every way: becoming invisible is leaving, and devices come and go unheard.
pub fn for_contacts(before: Standing, after: Standing) -> Option<Event> {
    match (before.is_visible(), after.is_visible()) {
        (false, false) => None,
        (false, true) => Some(Event::UserOnline),
        (true, false) => Some(Event::UserOffline),
        (true, true) => devices_or_status(before, after),
    }
}

/// What the user's own other devices are told. They know that the user is invisible.
pub fn for_own_devices(before: Standing, after: Standing) -> Option<Event> {
    // Without a device before there was no other one; without one after, nobody hears.
    if before.devices == 0 || after.devices == 0 {
        return None;
    }
    devices_or_status(before, after)
}

fn devices_or_status(before: Standing, after: Standing) -> Option<Event> {
    if after.devices > before.devices {
        Some(Event::DeviceConnected)
    } else if after.devices < before.devices {
        Some(Event::DeviceDisconnected)
    } else if after.chosen != before.chosen {
        Some(Event::StatusChanged)
    } else {
        None
    }
}

/// When a change may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// At once.
    Now,
    /// After the grace time, and only if it still holds then.
    AfterGrace,
    /// Never: to others nothing has happened.
    Never,
}

/// A user who is back within the grace time was never away, whichever replica saw them leave; a
/// connection that presence had only forgotten is no news either.
pub fn timing(change: &Change, grace: Duration) -> Timing {
    match change.cause {
        Cause::Connected { offline_ms: Some(offline_ms), .. } if change.before.devices == 0 => {
            let was_told_offline = offline_ms >= whole_ms(grace);
            if was_told_offline { Timing::Now } else { Timing::Never }
        }
        Cause::Connected { offline_ms: None, is_anew: true, .. } => Timing::Never,
        // Also after a lease has ended: a user who is told offline at once and is back within the grace
        // time would stay offline for others, since their coming is no news.
        Cause::Disconnected | Cause::TakenOver if change.after.devices == 0 => Timing::AfterGrace,
        Cause::Connected { .. } | Cause::Disconnected | Cause::TakenOver | Cause::Chose => {
            Timing::Now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::Chosen;
    use super::*;
    use proto::id::UserId;

    const GRACE: Duration = Duration::from_secs(2);

    fn online(devices: u32) -> Standing {
        Standing { devices, chosen: Chosen::Online }
    }

    fn chose(devices: u32, chosen: Chosen) -> Standing {
        Standing { devices, chosen }
    }

    #[test]
    fn the_first_device_brings_a_user_online_and_the_last_takes_them_offline() {
        assert_eq!(for_contacts(online(0), online(1)), Some(Event::UserOnline));
        assert_eq!(for_contacts(online(1), online(2)), Some(Event::DeviceConnected));
        assert_eq!(for_contacts(online(2), online(1)), Some(Event::DeviceDisconnected));
        assert_eq!(for_contacts(online(1), online(0)), Some(Event::UserOffline));
        assert_eq!(for_contacts(online(1), online(1)), None);
    }

    #[test]
    fn a_choice_is_told_while_a_device_is_there() {
        assert_eq!(for_contacts(online(1), chose(1, Chosen::Busy)), Some(Event::StatusChanged));
        assert_eq!(for_contacts(online(0), chose(0, Chosen::Busy)), None);
    }

    #[test]
    fn to_contacts_becoming_invisible_is_leaving_and_nothing_more_is_heard() {
        let hidden = |devices| chose(devices, Chosen::Invisible);
        assert_eq!(for_contacts(online(2), hidden(2)), Some(Event::UserOffline));
        assert_eq!(for_contacts(hidden(0), hidden(1)), None);
        assert_eq!(for_contacts(hidden(1), hidden(0)), None);
        assert_eq!(for_contacts(hidden(2), online(2)), Some(Event::UserOnline));
    }

    #[test]
    fn own_devices_hear_of_each_other_also_when_invisible() {
        let hidden = |devices| chose(devices, Chosen::Invisible);
        assert_eq!(for_own_devices(hidden(1), hidden(2)), Some(Event::DeviceConnected));
        assert_eq!(for_own_devices(online(2), hidden(2)), Some(Event::StatusChanged));
        assert_eq!(for_own_devices(online(0), online(1)), None, "there is no other device");
        assert_eq!(for_own_devices(online(1), online(0)), None, "nobody would hear it");
    }

    fn change(before: u32, after: u32, cause: Cause) -> Change {
        Change {
            user_id: UserId::parse_qualified("ann").unwrap(),
            before: online(before),
            after: online(after),
            last_seen_ms: 0,
            cause,
            by: None,
            replaced: Vec::new(),
        }
    }

    fn connected(offline_ms: Option<u64>, is_anew: bool) -> Cause {
        Cause::Connected { offline_ms, is_anew }
    }

    #[test]
    fn a_user_who_is_back_within_the_grace_time_is_not_announced() {
        let back = |offline_ms| change(0, 1, connected(Some(offline_ms), false));
        assert_eq!(timing(&back(1_999), GRACE), Timing::Never);
        assert_eq!(timing(&back(2_000), GRACE), Timing::Now);
        assert_eq!(timing(&change(1, 0, Cause::Disconnected), GRACE), Timing::AfterGrace);
        assert_eq!(timing(&change(2, 1, Cause::Disconnected), GRACE), Timing::Now);
        assert_eq!(timing(&change(1, 0, Cause::TakenOver), GRACE), Timing::AfterGrace);
    }

    #[test]
    fn what_presence_had_only_forgotten_is_no_news() {
        assert_eq!(timing(&change(0, 1, connected(None, true)), GRACE), Timing::Never);
        assert_eq!(timing(&change(0, 1, connected(None, false)), GRACE), Timing::Now);
        let told_offline_meanwhile = change(0, 1, connected(Some(60_000), true));
        assert_eq!(timing(&told_offline_meanwhile, GRACE), Timing::Now);
    }
}
