//! The rules of docs/protocol.md that a client keeps, each with its script. docs/conformance.md has the same table.

mod connection;
mod ends;
mod log;
mod operations;

use super::stage::Stage;
use crate::rule::{Checking, Rule};

/// A rule that a client keeps.
pub(super) type ClientRule = Rule<for<'a> fn(&'a mut Stage) -> Checking<'a>>;

/// Every rule, in the order of the document.
pub(super) const RULES: &[&[ClientRule]] =
    &[connection::RULES, ends::RULES, log::RULES, operations::RULES];

/// The rules as a Markdown table.
pub fn table() -> String {
    crate::rule::table("a client", RULES)
}
