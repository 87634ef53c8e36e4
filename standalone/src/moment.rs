//! Moments as people read them.

use time::{Duration, OffsetDateTime};

/// Unix milliseconds as people read them.
pub fn utc(unix_ms: u64) -> String {
    let since = i64::try_from(unix_ms).map(Duration::milliseconds);
    let moment = since.ok().and_then(|since| OffsetDateTime::UNIX_EPOCH.checked_add(since));
    // An id may claim any time.
    let Some(moment) = moment else { return format!("{unix_ms} ms after 1970") };
    let (hour, minute, second, millis) = moment.to_hms_milli();
    format!("{} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC", moment.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(utc(951_782_400_123), "2000-02-29 00:00:00.123 UTC");
        assert_eq!(utc(1_795_239_000_000), "2026-11-21 05:30:00.000 UTC");
        assert_eq!(utc(u64::MAX), "18446744073709551615 ms after 1970");
    }
}
