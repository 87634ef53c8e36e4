//! The whole fleet against a scripted server.

mod program;
mod scripted;
mod verdicts;
