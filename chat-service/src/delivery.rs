//! Delivery: answers and appended entries are pushed to the gateways where their receivers are connected. Users who
//! may have missed a push are sent their head digest later, so that their clients sync.
//!
//! Must not append, read an entry back or decide who may see a conversation: what it is given says to whom it goes.
//! Must not know partitions or acknowledgements: a batch brings along what is to be done once it is delivered.

mod address;
mod catch_up;
mod deliver;
pub mod locate;
mod missed_pushes;
mod outgoing;
mod parts;
mod planted;
mod publish;
mod push_log;
mod push_records;
mod sent;

pub(crate) use catch_up::run as catch_up;
pub(crate) use deliver::{Deliverer, Delivery};
pub(crate) use missed_pushes::MissedPushes;
pub(crate) use outgoing::{
    Asker, EntryPlace, Outgoing, OutgoingBatch, To, What, answer, entry, error, refused, sent,
};
pub(crate) use parts::DeliveryParts;
pub(crate) use planted::CachedRoutes;
pub(crate) use push_log::PushLog;
