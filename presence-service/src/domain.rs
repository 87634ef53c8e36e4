//! The rules of presence, without I/O, clock or runtime.

pub mod announcement;
pub mod device;
pub mod status;
