//! What other systems are told of users: how others see one now. Told once over the bus, and perhaps lost; see `bus::moments`.
//!
//! Must not tell more than other users are told: who is invisible is offline, and nothing else.

use bus::moments::{MomentQueue, Moments};
use platform::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::pending::Announcement;

const PRESENCE: &str = "user.presence";

/// The section `[events]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// Types of the events of users that are told: `user.presence` or `user.*`. They are told once and may be lost.
    pub types: Vec<String>,
}

/// A mistake in the section.
#[derive(Debug, thiserror::Error)]
#[error("events.types: the presence service tells `user.presence` or `user.*`, not `{0}`")]
pub struct UnknownMoment(String);

impl EventsConfig {
    /// Whether the presence service tells all of these types. Not asked where the section is that of other services, too.
    pub fn check(&self) -> Result<(), UnknownMoment> {
        let wrong = self.types.iter().find(|pattern| !fits(pattern));
        wrong.map_or(Ok(()), |pattern| Err(UnknownMoment(pattern.clone())))
    }

    fn chosen(&self) -> Vec<&'static str> {
        if self.types.iter().any(|pattern| fits(pattern)) { vec![PRESENCE] } else { Vec::new() }
    }
}

fn fits(pattern: &str) -> bool {
    pattern == PRESENCE || pattern == "user.*"
}

/// Tells of users.
pub(crate) struct UserMoments(Moments);

impl UserMoments {
    pub(crate) fn new(config: &EventsConfig, metrics: &Metrics) -> (Self, MomentQueue) {
        let dropped = Counter::<u64>::default();
        metrics.register(|registry| {
            registry.sub_registry_with_prefix("tidings_presence").register(
                "moments_dropped",
                "Events of users that were dropped, since too many waited for the bus",
                dropped.clone(),
            );
        });
        let (moments, queue) = Moments::new(config.chosen(), move || {
            dropped.inc();
        });
        (Self(moments), queue)
    }

    /// All who may know of a change have been told. Devices come and go without a word, and so does who is invisible.
    pub(crate) fn told(&self, told: &Announcement) {
        let status = told.after.status();
        if told.seen_before.status() == status {
            return;
        }
        self.0.tell(
            PRESENCE,
            told.user_id.tenant(),
            || json!({ "user": told.user_id.name_str(), "status": status.as_str() }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(types: &[&str]) -> EventsConfig {
        EventsConfig { types: types.iter().map(|&it| it.to_owned()).collect() }
    }

    #[test]
    fn the_type_is_chosen_by_name_or_by_its_beginning() {
        assert_eq!(config(&[]).chosen(), [""; 0]);
        assert_eq!(config(&["*", "ws.*", "chat.read"]).chosen(), [""; 0]);
        assert_eq!(config(&["user.*"]).chosen(), [PRESENCE]);
        assert!(config(&["user.*", PRESENCE]).check().is_ok());
        assert!(config(&["ws.connect"]).check().is_err(), "gateways tell that");
    }
}
