//! The follower that counts entries by tenant and kind. It proves the loop, and tells an operator what is written.

use std::collections::BTreeMap;

use super::walk::Follower;
use crate::store::tail::{Counted, TailRow};

/// Names its cursor.
pub(super) const NAME: &str = "counts";

/// Counts entries.
#[derive(Debug, Clone, Copy)]
pub struct Counts;

impl Follower for Counts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn counted(&self, rows: &[TailRow]) -> Vec<Counted> {
        let mut counts = BTreeMap::new();
        for row in rows {
            *counts
                .entry((row.entry.entry.sender_id.tenant(), row.entry.entry.kind.as_str()))
                .or_insert(0) += 1;
        }
        counts.into_iter().map(|((tenant, kind), n)| (tenant, kind.to_owned(), n)).collect()
    }
}
