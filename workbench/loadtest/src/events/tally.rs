//! What has come: how many events, when, and how long after the time of their entry.

use std::cell::{Cell, Ref, RefCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire_client::latency::Latency;
use wire_client::scan::{self, Elements, Fields, Malformed};

use crate::pieces::Pieces;

/// The account of a run.
#[derive(Debug)]
pub(super) struct Tally {
    /// Times are not measured for so long after the first event.
    warmup: Duration,
    unreadable: Cell<u64>,
    events: RefCell<Pieces>,
    latency: RefCell<Latency>,
}

impl Tally {
    pub(super) fn new(warmup: Duration) -> Self {
        let (unreadable, events) = (Cell::new(0), RefCell::default());
        Self { warmup, unreadable, events, latency: RefCell::new(Latency::new()) }
    }

    /// Takes an event, or an array of them, that has come now.
    pub(super) fn take(&self, json: &[u8]) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.take_at(json, Instant::now(), unix.as_micros() as u64);
    }

    fn take_at(&self, json: &[u8], now: Instant, unix_us: u64) {
        if let Err(Malformed) = self.read(json, now, unix_us) {
            self.unreadable.set(self.unreadable.get() + 1);
        }
    }

    fn read(&self, json: &[u8], now: Instant, unix_us: u64) -> Result<(), Malformed> {
        if json.trim_ascii_start().first() != Some(&b'[') {
            return self.one(json, now, unix_us);
        }
        let mut events = Elements::of(json)?;
        while let Some(event) = events.next()? {
            self.one(event, now, unix_us)?;
        }
        Ok(())
    }

    fn one(&self, event: &[u8], now: Instant, unix_us: u64) -> Result<(), Malformed> {
        let at_ms = time(event)?;
        let since = self.events.borrow_mut().add(now, 1);
        if since >= self.warmup {
            self.latency.borrow_mut().record(unix_us.saturating_sub(at_ms * 1_000));
        }
        Ok(())
    }

    /// What was no event.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable.get()
    }

    /// When events came, so far.
    pub(super) fn events(&self) -> Ref<'_, Pieces> {
        self.events.borrow()
    }

    /// From the time of an entry to here, so far.
    pub(super) fn latency(&self) -> Latency {
        self.latency.borrow().clone()
    }
}

/// The attribute `time` of an event, in Unix milliseconds.
fn time(event: &[u8]) -> Result<u64, Malformed> {
    let mut fields = Fields::of(event)?;
    while let Some((key, value)) = fields.next()? {
        if key == b"time" {
            return scan::text(value).and_then(unix_ms).ok_or(Malformed);
        }
    }
    Err(Malformed)
}

/// Reads `2026-11-28T13:40:00.123Z`, the one form in which the server writes times.
fn unix_ms(text: &[u8]) -> Option<u64> {
    if text.len() != 24 || text[10] != b'T' || text[23] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| scan::number(&text[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    // Years that begin with March end with the day that leap years have more.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    // The same sum for 1970-01-01.
    let days = days.checked_sub(719_469)?;
    let (hours, minutes, seconds) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let seconds = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    Some(seconds * 1_000 + number(20, 23)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_the_server_writes_it() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.001Z", 1),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2000-03-01T00:00:00.000Z", 951_868_800_000),
            ("2026-11-28T13:40:00.123Z", 1_795_873_200_123),
        ] {
            assert_eq!(unix_ms(text.as_bytes()), Some(ms), "{text}");
        }
        for text in ["", "1969-12-31T23:59:59.999Z", "2026-11-28 13:40:00.123Z", "now"] {
            assert_eq!(unix_ms(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn events_are_counted_alone_and_in_arrays_and_measured_after_the_warm_up() {
        let tally = Tally::new(Duration::from_secs(1));
        let begun = Instant::now();
        let event = |ms: u32| format!(r#"{{"id":"x","time":"1970-01-01T00:00:00.{ms:03}Z"}}"#);
        let after = |ms| begun + Duration::from_millis(ms);
        tally.take_at(event(0).as_bytes(), begun, 5_000);
        let batch = format!("[{},{}]", event(1), event(3));
        tally.take_at(batch.as_bytes(), after(2_000), 13_000);
        tally.take_at(b"{}", after(2_000), 13_000);
        assert_eq!((tally.events().total(), tally.unreadable()), (3, 1));
        let latency = tally.latency();
        let (measured, longest) = (latency.histogram().len(), latency.histogram().max());
        // The histogram keeps three digits.
        assert!(measured == 2 && (12_000..12_100).contains(&longest), "{measured}, {longest}");
    }
}
