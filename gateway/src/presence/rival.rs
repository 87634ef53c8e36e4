//! Whether another living process has this gateway's id, as presence tells both of them.
//!
//! Presence believes one of the two, and the other lets nobody in: both leave readiness until one has ended. Must not
//! decide anything itself.

use std::sync::atomic::{AtomicBool, Ordering};

/// What was told last.
#[derive(Debug)]
pub(crate) struct Rival {
    /// Tells this process from every other one of its name.
    process: u64,
    is_there: AtomicBool,
}

impl Rival {
    /// None is known.
    pub(crate) fn new() -> Self {
        // 0 says nothing.
        Self {
            process: (uuid::Uuid::new_v4().as_u128() as u64).max(1),
            is_there: AtomicBool::new(false),
        }
    }

    /// The number of this process.
    pub(crate) fn process(&self) -> u64 {
        self.process
    }

    /// Presence has told; each change is logged once.
    pub(crate) fn told(&self, gateway_id: &str, is_there: bool) {
        if self.is_there.swap(is_there, Ordering::AcqRel) == is_there {
            return;
        }
        if is_there {
            tracing::error!(
                gateway_id,
                "another running gateway has the same gateway_id, and presence believes only one of them: give each \
                 gateway an id of its own, or leave gateway_id unset, as under Kubernetes, to use the name of the host; \
                 not ready until the other one has ended"
            );
        } else {
            tracing::info!(gateway_id, "no other gateway has this gateway_id any more");
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_is_there_from_when_it_is_told_until_the_contrary_is() {
        let rival = Rival::new();
        assert!(!rival.is_there() && rival.process() != 0);
        rival.told("g1", true);
        rival.told("g1", true);
        assert!(rival.is_there());
        rival.told("g1", false);
        assert!(!rival.is_there());
    }
}
