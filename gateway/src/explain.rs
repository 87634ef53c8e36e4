//! Why somebody has a message or has it not: what was written to whom, asked by operators of all gateways, and what this
//! gateway counts.
//!
//! Nothing else may depend on its answers: what it remembers is bounded and may be forgotten.

pub(crate) mod ask_gateways;
pub(crate) mod figures;
pub(crate) mod inquiry;
pub(crate) mod journal;
