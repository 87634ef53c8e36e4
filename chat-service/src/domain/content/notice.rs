//! `notice`, of operators: `{"title"?: "…", "body": "…"}`.

use std::borrow::Cow;

use proto::limits;
use serde::Deserialize;

use super::object::read;
use super::{Refusal, check_words, misshapen};

const SHAPE: &str = "{\"title\": \"…\", \"body\": \"…\"}; `title` may be left out";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notice<'a> {
    #[serde(borrow, default)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

pub(super) fn check(content: &str) -> Result<(), Refusal> {
    let Notice { title, body } = read(content).map_err(|error| misshapen(SHAPE, &error))?;
    if let Some(title) = title {
        check_words("title", &title, limits::NOTICE_TITLE_CHARS)?;
    }
    check_words("body", &body, limits::TEXT_CHARS)
}
