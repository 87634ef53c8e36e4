//! Reading a user's packed record: its format is described in `user.lua`, which alone writes it.

use std::collections::HashSet;

use platform::number::fitted;

use crate::domain::status::{Chosen, Standing};
use crate::store::UserState;

/// `'1' chosen(1) last_seen_ms(12)`.
const HEADER_BYTES: usize = 14;
/// `connection(16) epoch(16) stamp(14) device_type(1) connected_at_ms(12)`.
const NUMBERS_BYTES: usize = 59;

/// One registration of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PackedRegistration<'a> {
    pub gateway_id: &'a str,
    pub epoch: u64,
    pub connection: u64,
    pub device_type: u8,
    pub connected_at_ms: u64,
    pub device_id: &'a str,
}

/// The registrations of a record. What does not read as one is left out: it harms nobody else.
pub(super) fn registrations(record: &[u8]) -> impl Iterator<Item = PackedRegistration<'_>> {
    let body = if is_known(record) { &record[HEADER_BYTES..] } else { &[] };
    body.split(|byte| *byte == b';').filter_map(registration)
}

fn registration(text: &[u8]) -> Option<PackedRegistration<'_>> {
    let (numbers, names) = text.split_at_checked(NUMBERS_BYTES)?;
    let comma = names.iter().position(|byte| *byte == b',')?;
    Some(PackedRegistration {
        gateway_id: std::str::from_utf8(&names[..comma]).ok()?,
        epoch: hex(&numbers[16..32])?,
        connection: hex(&numbers[..16])?,
        device_type: fitted((numbers[46] as char).to_digit(10)?),
        connected_at_ms: hex(&numbers[47..])?,
        device_id: std::str::from_utf8(&names[comma + 1..]).ok()?,
    })
}

/// What a record says of its user.
pub(super) fn state(record: &[u8]) -> UserState {
    if !is_known(record) {
        return UserState::default();
    }
    let devices: HashSet<&str> =
        registrations(record).map(|registration| registration.device_id).collect();
    let chosen = chosen(record[1]);
    UserState {
        standing: Standing { devices: fitted(devices.len()), chosen },
        last_seen_ms: hex(&record[2..HEADER_BYTES]).unwrap_or_default(),
    }
}

fn is_known(record: &[u8]) -> bool {
    record.len() >= HEADER_BYTES && record[0] == b'1'
}

/// The letter of a choice.
pub(super) fn letter(chosen: Chosen) -> char {
    match chosen {
        Chosen::Unread => 'u',
        Chosen::Online => 'o',
        Chosen::Away => 'a',
        Chosen::Busy => 'b',
        Chosen::Invisible => 'i',
    }
}

/// The choice of a letter. An unknown one, written by a later version, counts as online.
pub(super) fn chosen(letter: u8) -> Chosen {
    match letter {
        b'u' => Chosen::Unread,
        b'a' => Chosen::Away,
        b'b' => Chosen::Busy,
        b'i' => Chosen::Invisible,
        _ => Chosen::Online,
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        Some(value << 4 | u64::from((*digit as char).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "00000000000000ff\
                         8000000000000001\
                         06433333333333\
                         2\
                         019ab0000000\
                         gateway-1,phone;";

    #[test]
    fn a_record_is_read_as_the_scripts_write_it() {
        let record = format!("1b00000000000a{PHONE}");
        let expected = PackedRegistration {
            gateway_id: "gateway-1",
            epoch: 0x8000_0000_0000_0001,
            connection: 255,
            device_type: 2,
            connected_at_ms: 0x19a_b000_0000,
            device_id: "phone",
        };
        assert_eq!(registrations(record.as_bytes()).collect::<Vec<_>>(), [expected]);
        let standing = Standing { devices: 1, chosen: Chosen::Busy };
        assert_eq!(state(record.as_bytes()), UserState { standing, last_seen_ms: 10 });
    }

    #[test]
    fn a_spoilt_record_reads_as_nobody_and_a_spoilt_registration_hides_no_other() {
        for spoilt in ["", "1", "2o000000000000", "garbage", "1o00000000000", "\u{0}\u{0}"] {
            assert_eq!(registrations(spoilt.as_bytes()).count(), 0, "{spoilt:?}");
        }
        let record = format!("1o000000000000short;{PHONE}{}", PHONE.replace("ff", "zz"));
        assert_eq!(registrations(record.as_bytes()).count(), 1);
        assert_eq!(registrations(&[0xff; 200]).count(), 0);
    }

    #[test]
    fn every_choice_has_its_letter() {
        for choice in
            [Chosen::Unread, Chosen::Online, Chosen::Away, Chosen::Busy, Chosen::Invisible]
        {
            assert_eq!(chosen(letter(choice) as u8), choice);
        }
    }
}
