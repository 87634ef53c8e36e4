//! The rules of conversations, without I/O, clock or runtime: time and ids are arguments.

pub mod act;
pub mod body;
pub(crate) mod cache;
pub mod content;
pub mod conversation;
pub mod drafts;
pub mod entry;
pub(crate) mod fold;
pub mod letter;
pub mod notice;
pub mod own;
pub(crate) mod preview;
pub mod privacy;
pub mod reader;
pub mod revocation;
pub mod said;
pub mod share;
pub mod state;
pub mod steps;
pub mod tally;
pub mod walk;
pub mod webhook;
