//! The follower that counts entries by tenant and kind. It proves the loop, and tells an operator what is written.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::id::TenantId;

use super::follower::{Follower, WorkError};
use crate::store::tail::{Counted, Position, TailPage};

/// Names its cursor.
pub(super) const NAME: &str = "counts";

#[derive(Debug, Default)]
pub struct Counts {
    /// Since the last move.
    counted: Mutex<BTreeMap<(TenantId, String), u64>>,
}

#[async_trait]
impl Follower for Counts {
    fn name(&self) -> &str {
        NAME
    }

    fn kind(&self) -> &'static str {
        NAME
    }

    fn begin(&self, _from: Position) {
        self.counted.lock().clear();
    }

    async fn work(&self, page: &TailPage) -> Result<Position, WorkError> {
        let mut counted = self.counted.lock();
        for row in &page.rows {
            let entry = &row.entry.entry;
            let of = (entry.author.id.tenant(), entry.body.kind().to_owned());
            *counted.entry(of).or_insert(0) += 1;
        }
        Ok(page.next)
    }

    fn counted(&self) -> Vec<Counted> {
        let counted = std::mem::take(&mut *self.counted.lock());
        counted.into_iter().map(|((tenant, kind), n)| (tenant, kind, n)).collect()
    }
}
