//! Names that carry their meaning: from a client id or a text alone the fleet knows who sent it,
//! as which send, where to and when it was due. So receivers need no table of sends, and what another
//! program wrote is told apart.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proto::id::{ClientId, UserName};
use uuid::Uuid;

/// Clients are numbered with so many bits in a client id.
const SENDER_BITS: u32 = 22;
/// Most clients of a run.
pub const MAX_CLIENTS: u32 = 1 << SENDER_BITS;
/// Sends of a client are numbered with so many bits.
const NUMBER_BITS: u32 = 28;
/// Most sends of one client in a run.
pub const MAX_SENDS: u32 = 1 << NUMBER_BITS;
/// The run's own number has so many bits, 12 of them in each half of the id.
const NONCE_BITS: u32 = 24;

/// One run of the fleet: its clock and what tells its names from those of other runs.
#[derive(Debug, Clone)]
pub struct Run {
    nonce: u32,
    name: String,
    start: Instant,
    start_ns: u64,
    start_unix_ms: u64,
}

impl Run {
    /// A run that begins now, with names that no other run has.
    pub fn begin() -> Self {
        let start_unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let nonce = rand::random::<u32>() & ((1 << NONCE_BITS) - 1);
        Self::of(start_unix_ms, nonce)
    }

    /// A run that begins now with the names of another one, for instance beside it in another tenant: with the same
    /// options and the same seed its users and client ids are the same. Nothing when no run has that name.
    pub fn named(name: &str) -> Option<Self> {
        let (ms, nonce) = name.strip_prefix("fleet.")?.split_once('.')?;
        let start_unix_ms = u64::from_str_radix(ms, 16).ok()?;
        let nonce = u32::from_str_radix(nonce, 16).ok()?;
        let run = Self::of(start_unix_ms, nonce);
        (run.name == name && nonce >> NONCE_BITS == 0).then_some(run)
    }

    fn of(start_unix_ms: u64, nonce: u32) -> Self {
        let name = format!("fleet.{start_unix_ms:x}.{nonce:06x}");
        let (start, start_ns) = (Instant::now(), crate::clock::monotonic_ns());
        Self { nonce, name, start, start_ns, start_unix_ms }
    }

    /// The run's name: the beginning of every user's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that marks this run's client ids and texts.
    pub fn nonce(&self) -> u32 {
        self.nonce
    }

    /// Microseconds from the start of the run to `instant`.
    pub fn micros(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.start).as_micros() as u64
    }

    /// The machine's clock at a microsecond of the run, in nanoseconds.
    pub fn nanos(&self, at_us: u64) -> u64 {
        self.start_ns + at_us * 1_000
    }

    /// The client behind a user; nothing when it is not of this run.
    pub fn client_of(&self, user: &[u8]) -> Option<u32> {
        let number = user.strip_prefix(self.name.as_bytes())?.strip_prefix(b"-")?;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// The user behind a client.
    pub fn user(&self, client: u32) -> UserName {
        // Cannot fail: some 40 bytes of letters, digits, points and a dash.
        #[expect(clippy::unwrap_used, reason = "the alphabet and length are the id's own")]
        UserName::parse(&format!("{}-{client}", self.name)).unwrap()
    }

    /// The client id (a UUIDv7) of a client's n-th send, due at `due_us`.
    pub fn client_id(&self, sender: u32, number: u32, due_us: u64) -> ClientId {
        let unix_ms = self.start_unix_ms + due_us / 1_000;
        let high = (unix_ms << 16) | 0x7000 | u64::from(self.nonce >> 12);
        let low = (0b10 << 62)
            | (u64::from(sender) << (NUMBER_BITS + 12))
            | (u64::from(number) << 12)
            | u64::from(self.nonce & 0xFFF);
        ClientId(Uuid::from_u64_pair(high, low))
    }

    /// Whose send a client id names, and which; nothing when it is not of this run.
    pub fn sender_of(&self, client_id: Uuid) -> Option<(u32, u32)> {
        let (high, low) = client_id.as_u64_pair();
        let nonce = ((high & 0xFFF) << 12) | (low & 0xFFF);
        let is_ours = high & 0xF000 == 0x7000 && low >> 62 == 0b10;
        (is_ours && nonce == u64::from(self.nonce)).then_some({
            let sender = (low >> (NUMBER_BITS + 12)) & u64::from(MAX_CLIENTS - 1);
            let number = (low >> 12) & u64::from(MAX_SENDS - 1);
            (sender as u32, number as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_client_id_names_its_send(
            sender in 0..MAX_CLIENTS,
            number in 0..MAX_SENDS,
            due_us in 0_u64..1 << 40,
        ) {
            let run = Run::begin();
            let client_id = run.client_id(sender, number, due_us).0;
            prop_assert_eq!(client_id.get_version_num(), 7);
            prop_assert_eq!(client_id.get_variant(), uuid::Variant::RFC4122);
            prop_assert_eq!(run.sender_of(client_id), Some((sender, number)));
        }
    }

    #[test]
    fn a_run_with_the_name_of_another_has_its_names() {
        let run = Run::begin();
        let same = Run::named(run.name()).unwrap();
        assert_eq!(same.user(7), run.user(7));
        assert_eq!(same.client_id(1, 2, 3), run.client_id(1, 2, 3));
        for wrong in ["", "fleet.", "fleet.1.", "fleet.1.2", "fleet.1.1000000", "tank.1.000002"] {
            assert!(Run::named(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn other_ids_are_not_of_the_run() {
        let run = Run::begin();
        assert_eq!(run.sender_of(Uuid::nil()), None);
        let other = Run { nonce: run.nonce ^ 1, ..run.clone() };
        assert_eq!(run.sender_of(other.client_id(1, 2, 3).0), None);
    }

    #[test]
    fn a_user_is_a_valid_id() {
        let run = Run::begin();
        let user = run.user(MAX_CLIENTS);
        assert!(user.as_str().len() <= proto::id::MAX_NAME_BYTES);
        assert_eq!(run.client_of(user.as_str().as_bytes()), Some(MAX_CLIENTS));
        assert_eq!(run.client_of(b"mallory"), None);
    }
}
