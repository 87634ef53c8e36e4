//! The rules of conversations, without I/O, clock or runtime: time and ids are arguments.

pub mod content;
pub mod conversation;
pub mod entry;
pub mod fold;
pub mod letter;
pub mod operation;
pub mod plan;
pub mod preview;
pub mod revocation;
pub mod said;
pub mod share;
pub mod walk;
