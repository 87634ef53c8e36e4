//! The numbers that say which part of a list is asked for.

use serde::Deserialize;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// How many things a page holds at most: a whole number from 1. Whatever is above what the list gives at most, however
/// large, means that much.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PageLimit(u32);

impl PageLimit {
    /// The number, or what the list gives where none was said.
    pub(crate) fn or(limit: Option<Self>, otherwise: u32) -> u32 {
        limit.map_or(otherwise, |Self(limit)| limit)
    }
}

impl TryFrom<String> for PageLimit {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = digits(&text).map(|digits| digits.parse().unwrap_or(u32::MAX));
        number.filter(|number| *number > 0).map(Self).ok_or("`limit` is a whole number from 1")
    }
}

impl PartialSchema for PageLimit {
    fn schema() -> RefOr<Schema> {
        // No format: each of them has a largest number.
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into()
    }
}

impl ToSchema for PageLimit {}

/// A place in a log: what a seq can be at most, 63 bits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Seq(pub(crate) u64);

impl TryFrom<String> for Seq {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = digits(&text).and_then(|digits| digits.parse().ok());
        number
            .map(i64::cast_unsigned)
            .map(Self)
            .ok_or("a seq is a whole number from 0 of at most 63 bits")
    }
}

impl PartialSchema for Seq {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .maximum(Some(i64::MAX))
            .into()
    }
}

impl ToSchema for Seq {}

/// The text, where it is digits and nothing else.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_from_one_and_as_large_as_one_likes() {
        let limit = |text: &str| PageLimit::try_from(text.to_owned()).ok().map(|limit| limit.0);
        for (text, number) in [
            ("1", Some(1)),
            ("0100", Some(100)),
            ("2147483648", Some(2_147_483_648)),
            ("4294967296", Some(u32::MAX)),
            ("99999999999999999999999", Some(u32::MAX)),
            ("0", None),
            ("00", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1.0", None),
            ("1e3", None),
            ("\u{661}", None),
        ] {
            assert_eq!(limit(text), number, "{text}");
        }
    }

    #[test]
    fn a_seq_is_what_a_log_can_hold() {
        let seq = |text: &str| Seq::try_from(text.to_owned()).ok().map(|seq| seq.0);
        for (text, number) in [
            ("0", Some(0)),
            ("9223372036854775807", Some(9_223_372_036_854_775_807)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("", None),
        ] {
            assert_eq!(seq(text), number, "{text}");
        }
    }
}
