//! The rules of docs/protocol.md that can be seen from outside, each with its check. docs/conformance.md has the same table.

mod acknowledging;
mod connection;
mod entries;
mod ephemeral;
mod errors;
mod forms;
mod frames;
mod logs;
mod operations;
mod rest;
mod streams;
mod syncing;
mod tenants;
mod tokens;

use super::scope::Scope;
use crate::rule::{Checking, Rule};

/// A rule that a server keeps.
pub(super) type ServerRule = Rule<for<'a> fn(&'a Scope) -> Checking<'a>>;

/// Every rule, in the order of the document.
pub(super) const RULES: &[&[ServerRule]] = &[
    tokens::RULES,
    connection::RULES,
    frames::RULES,
    logs::RULES,
    syncing::RULES,
    operations::RULES,
    acknowledging::RULES,
    entries::RULES,
    ephemeral::RULES,
    errors::RULES,
    streams::RULES,
    forms::RULES,
    rest::RULES,
    tenants::RULES,
];

/// The rules as a Markdown table.
pub fn table() -> String {
    crate::rule::table("a server", RULES)
}
