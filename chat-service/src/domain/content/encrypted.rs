//! `encrypted`: what the server cannot read:
//! `{"algorithm": "…", "ciphertext": "<base64>", "sender_device": "…", "keys"?: {"<user>/<device>": "<base64>"}, "epoch"?: n}`.
//!
//! It is encoded once for everybody; gateways give each device its own key alone (`proto::frame::keys`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proto::id::UserName;
use proto::limits;
use serde::Deserialize;

use super::object::read;
use super::{Refusal, check_words, invalid, misshapen, too_large};

const SHAPE: &str = "{\"algorithm\": \"…\", \"ciphertext\": \"<base64>\", \"sender_device\": \"…\", \
    \"keys\"?: {\"<user>/<device>\": \"<base64>\"}, \"epoch\"?: 1}";

/// Longest name of an algorithm and longest id of a device, in characters.
const NAME_CHARS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encrypted<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    ciphertext: Cow<'a, str>,
    #[serde(borrow)]
    sender_device: Cow<'a, str>,
    /// The key of the message for each device that may read it.
    #[serde(borrow, default)]
    keys: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Of the group's keys.
    #[serde(default)]
    #[expect(dead_code, reason = "its type is all that is checked of it")]
    epoch: Option<u64>,
}

pub(super) fn check(content: &str) -> Result<(), Refusal> {
    let encrypted: Encrypted<'_> = read(content).map_err(|error| misshapen(SHAPE, &error))?;
    let Encrypted { algorithm, ciphertext, sender_device, keys, .. } = encrypted;
    check_words("algorithm", &algorithm, NAME_CHARS)?;
    check_words("sender_device", &sender_device, NAME_CHARS)?;
    check_base64("ciphertext", &ciphertext)?;
    if keys.len() > limits::ENCRYPTED_DEVICES {
        return Err(too_large("`keys` has at most 200 devices"));
    }
    for (device, key) in &keys {
        let named = device.split_once('/');
        let Some((_, device)) = named.filter(|(user, _)| UserName::parse(user).is_ok()) else {
            return Err(invalid("`keys` has a key for each `<user>/<device>`"));
        };
        check_words("keys", device, NAME_CHARS)?;
        check_base64("keys", key)?;
    }
    Ok(())
}

/// Base64 of either alphabet; nothing is kept of what it decodes to.
fn check_base64(name: &str, text: &str) -> Result<(), Refusal> {
    let is_base64 = STANDARD.decode(text).is_ok() || URL_SAFE_NO_PAD.decode(text).is_ok();
    if text.is_empty() || !is_base64 {
        return Err(invalid(&format!("`{name}` is base64, and not empty")));
    }
    Ok(())
}
