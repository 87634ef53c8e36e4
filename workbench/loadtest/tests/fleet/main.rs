//! The whole fleet against a scripted server.

mod floors;
mod program;
mod recorded;
mod scripted;
mod verdicts;
