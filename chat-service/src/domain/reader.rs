//! Who reads an entry, and whether it is blank for them. Pure.
//!
//! A log has no gaps, so what a reader may not see is not left out: it is blank. It keeps its place, id, kind, sender and
//! target, and has the content `{}`.

use proto::id::UserId;

/// The type of a device, as its connection or its request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceType {
    /// A browser.
    Web,
    /// An iPhone or iPad.
    Ios,
    /// An Android device.
    Android,
    /// A program on a computer.
    Desktop,
    /// A program without a person.
    Bot,
}

impl DeviceType {
    /// As it is stored. Never change one.
    pub fn code(self) -> i16 {
        match self {
            Self::Web => 1,
            Self::Ios => 2,
            Self::Android => 3,
            Self::Desktop => 4,
            Self::Bot => 5,
        }
    }

    /// Of a stored code; `None` for one of a later version.
    pub fn of(code: i64) -> Option<Self> {
        [Self::Web, Self::Ios, Self::Android, Self::Desktop, Self::Bot]
            .into_iter()
            .find(|device_type| i64::from(device_type.code()) == code)
    }
}

/// For whom and until when an entry is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// To devices of this type alone, and the author's own.
    pub device_type: Option<DeviceType>,
    /// Until then, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// To those who may see the entry that it changes.
    pub target: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub user_id: &'a UserId,
    /// The type of the device; `None` where it is not known, which is no type that a message can be meant for.
    pub device_type: Option<DeviceType>,
    /// The first entry that the user may see.
    pub from_seq: u64,
    /// Unix milliseconds.
    pub now_ms: u64,
}

impl Reader<'_> {
    /// Whether the reader may see only that there is an entry.
    pub fn is_blank(&self, author: &UserId, limits: Limits) -> bool {
        let Limits { device_type, expires_at_ms, target } = limits;
        let is_of_another_device =
            device_type.is_some() && device_type != self.device_type && self.user_id != author;
        is_of_another_device
            || expires_at_ms.is_some_and(|at| at <= self.now_ms)
            || target.is_some_and(|target| target < self.from_seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_blank_for_other_devices_later_members_and_after_its_end() {
        let user = |name| UserId::parse_qualified(name).unwrap();
        let (ann, bob) = (user("ann"), user("bob"));
        let is_blank = |user_id, device_type, limits| {
            Reader { user_id, device_type, from_seq: 5, now_ms: 9 }.is_blank(&ann, limits)
        };
        assert!(!is_blank(&bob, None, Limits::default()));

        let ios = Limits { device_type: Some(DeviceType::Ios), ..Limits::default() };
        assert!(!is_blank(&bob, Some(DeviceType::Ios), ios));
        assert!(is_blank(&bob, Some(DeviceType::Web), ios));
        assert!(is_blank(&bob, None, ios), "a device of no known type");
        assert!(!is_blank(&ann, Some(DeviceType::Web), ios), "the author's own device");

        let change = |seq| Limits { target: Some(seq), ..Limits::default() };
        assert!(is_blank(&bob, None, change(4)), "what it changes was before they came");
        assert!(!is_blank(&bob, None, change(5)));

        let until = |at| Limits { expires_at_ms: Some(at), ..Limits::default() };
        assert!(!is_blank(&bob, None, until(10)));
        assert!(is_blank(&ann, None, until(9)), "for everybody");
    }

    #[test]
    fn device_types_are_stored_as_numbers_that_stay() {
        for code in 1..=5 {
            assert_eq!(DeviceType::of(code).map(|of| i64::from(of.code())), Some(code));
        }
        assert_eq!((DeviceType::of(0), DeviceType::of(6)), (None, None));
    }
}
