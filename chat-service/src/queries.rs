//! Questions over gRPC, answered from the store: those of gateways for their users, one file for each resource, and those
//! of other services and of operators, one service each (`audit`, `chosen`, `dead_letters`, `events`, `followers`, `overview`,
//! `push_devices`, `revocations`, `webhooks`).
//!
//! Everybody sees only their own conversations. Must not append to a log.

mod as_of;
pub(crate) mod audit;
mod chat_queries;
pub(crate) mod chosen;
mod contacts;
mod conversations;
mod convert;
mod cursor;
pub mod dead_letters;
mod delivery;
mod drafts;
mod entries;
mod errors;
pub mod events;
mod explain;
mod fill;
pub(crate) mod followers;
mod heads;
mod members;
mod mentions;
mod messages;
pub(crate) mod notices;
mod open_syncs;
pub(crate) mod overview;
mod own;
mod page;
mod pins;
mod privacy;
pub(crate) mod push_devices;
mod reactions;
mod reads;
mod request;
pub(crate) mod revocations;
mod service;
mod sync;
mod threads;
mod users;
pub(crate) mod webhooks;

pub use chat_queries::ChatQueries;
