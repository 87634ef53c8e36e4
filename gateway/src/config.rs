//! The whole configuration of the binary, out of the section of each folder, and what is made of it before a start.
//!
//! Must not be used by any folder: each is given its own section.

#[cfg(feature = "cluster")]
pub mod prepared;
#[cfg(feature = "cluster")]
mod process;

pub use crate::limits::LimitsConfig;
#[cfg(feature = "cluster")]
pub use process::{ENV_PREFIX, GatewayConfig, NoGatewayId};
