//! Lists as SQLite takes them: one JSON text.

use serde::Serialize;

pub(super) fn json<T: Serialize + ?Sized>(rows: &T) -> String {
    // Cannot fail: tuples of texts and numbers.
    serde_json::to_string(rows).unwrap_or_default()
}
