//! The last error that this process logged, for a look at its health. Nothing here is sent anywhere, and
//! what is not logged for being secret is not here either.

use std::fmt::{Debug, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Longest text that is kept, in bytes.
const TEXT_BYTES: usize = 512;

static LAST: Mutex<Option<LastError>> = Mutex::new(None);

/// A logged error or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// `error` or `warn`.
    pub level: &'static str,
    /// What was said, with its fields.
    pub text: String,
}

/// The last one; none since the start.
pub fn last() -> Option<LastError> {
    LAST.lock().clone()
}

/// Remembers the last error among the events that are logged.
#[derive(Debug)]
pub(super) struct Remember;

impl<S: Subscriber> Layer<S> for Remember {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |at| at.as_millis());
        let mut text = text.0;
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        *LAST.lock() = Some(LastError { at_ms: crate::number::fitted(at_ms), level, text });
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.0.len() >= TEXT_BYTES {
            return;
        }
        let between = if self.0.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{between}{value:?}"),
            name => write!(self.0, "{between}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn the_last_error_is_kept_with_its_fields_and_what_is_no_error_is_not() {
        let subscriber = tracing_subscriber::registry().with(Remember);
        let _second = crate::telemetry::captured::second_dispatcher();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(dependency = "database", "not available");
            tracing::info!("connected");
        });
        let last = last().unwrap();
        assert_eq!(
            (last.level, last.text.as_str()),
            ("warn", "not available dependency=\"database\"")
        );
    }
}
