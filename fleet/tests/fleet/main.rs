//! The whole fleet against a scripted server.

mod program;
mod recorded;
mod scripted;
mod verdicts;
