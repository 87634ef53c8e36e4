//! The rules of conversations, without I/O, clock or runtime: time and ids are arguments.

pub mod entry;
