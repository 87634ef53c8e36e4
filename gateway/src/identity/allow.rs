//! The section `[allow]`: what users may do to others who do not know them. Users know each other when they share a
//! conversation. Operators may always.

use serde::{Deserialize, Serialize};

/// To whom something may be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whom {
    /// Everybody.
    #[default]
    Everyone,
    /// Users who share a conversation with the caller.
    Contacts,
    /// Nobody.
    Nobody,
}

/// What is allowed on purpose.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllowConfig {
    /// Which other users a user can find by name or id and whose presence a user can query: `everyone`, `contacts` or
    /// `nobody`.
    pub directory: Whom,
    /// Which other users a user may send call signals to: `everyone`, `contacts` or `nobody`.
    pub ring: Whom,
    /// Which other users a user may add to a group: `everyone`, `contacts` or `nobody`.
    pub add_to_group: Whom,
}
