//! What became of a push, and how the answers of HTTP are read. Pure but for the clock that dates are compared with.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use platform::outgoing_http::{Answer, OutgoingError};

/// The longest time that a provider may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// What is kept of a reason.
const REASON_BYTES: usize = 200;

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has it; the id that it gave.
    Sent(String),
    /// The device is not known any more.
    Gone {
        /// Since when, in Unix milliseconds, where the provider says so: a registration that is newer stays.
        since_ms: Option<u64>,
    },
    /// Not now: after this time, where the provider says so.
    Retry(Option<Duration>, String),
    /// Never like this.
    Refused(String),
}

impl Outcome {
    /// As metrics name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Gone { .. } => "gone",
            Self::Retry(..) => "retry",
            Self::Refused(_) => "refused",
        }
    }

    /// Of a request without an answer.
    pub(crate) fn of_failure(error: &OutgoingError) -> Self {
        match error {
            OutgoingError::Refused(_) => Self::Refused(error.to_string()),
            OutgoingError::Late(_) | OutgoingError::Failed(_) => {
                Self::Retry(None, short(&error.to_string()))
            }
        }
    }

    /// Of a status that means the same with every provider; `reason` is what the provider said.
    pub(crate) fn of_status(answer: &Answer, reason: &str) -> Self {
        let status = answer.status;
        let said = if reason.is_empty() { String::new() } else { format!(": {}", short(reason)) };
        let text = format!("{}{said}", status.as_u16());
        let is_later = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        if is_later {
            return Self::Retry(retry_after(&answer.headers), text);
        }
        Self::Refused(text)
    }
}

/// What `Retry-After` asks for: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = http_date(text)?;
            at.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    let mut parts = text.split_ascii_whitespace().skip(1);
    let day: u64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1970..=9999).contains(&year)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // Days since 1970, by years that begin in March.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The beginning of a foreign text, without what would break a line of a log.
pub(crate) fn short(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > REASON_BYTES {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() }
    }

    #[test]
    fn who_is_throttled_or_away_is_asked_again_and_who_refuses_is_not() {
        let of = |status, after| Outcome::of_status(&answer(status, after), "why");
        let wait = Some(Duration::from_secs(7));
        assert_eq!(of(429, Some("7")), Outcome::Retry(wait, "429: why".to_owned()));
        assert_eq!(of(503, None), Outcome::Retry(None, "503: why".to_owned()));
        assert_eq!(of(400, Some("7")), Outcome::Refused("400: why".to_owned()));
        assert_eq!(of(302, None), Outcome::Refused("302: why".to_owned()));
        let Outcome::Retry(Some(wait), _) = of(503, Some("99999999")) else { panic!() };
        assert_eq!(wait, LONGEST_WAIT);
        assert!(matches!(of(503, Some("soon")), Outcome::Retry(None, _)));
    }

    #[test]
    fn a_date_is_as_good_as_seconds() {
        let at = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(seconds, 784_111_777);
        let past = retry_after(&answer(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")).headers);
        assert_eq!(past, Some(Duration::ZERO));
        for odd in ["", "x", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(http_date(odd), None, "{odd}");
        }
    }

    #[test]
    fn foreign_reasons_are_cut_and_are_one_line() {
        assert_eq!(short("a\nb\u{7}"), "ab");
        assert_eq!(short(&"é".repeat(900)).len(), REASON_BYTES);
    }
}
