//! `permessage-deflate` (RFC 7692) without context takeover, both ways: a message is compressed once for
//! all its sockets, and no socket keeps a window. What a client sends is inflated up to a limit.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::inflate::{Inflater, NotInflated, TAIL};

/// What is agreed on when a client offers the extension.
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// The same for one that names the largest window for this side: the answer has to name it, too (RFC 7692,
/// 7.1.2.1).
const AGREED_WITH_WINDOW: &str = "permessage-deflate; server_no_context_takeover; \
    client_no_context_takeover; server_max_window_bits=15";
const NAME: &str = "permessage-deflate";
/// Below it, the head of a compressed block costs more than it saves.
const WORTH_BYTES: usize = 256;

/// The answer to the first of the offers (the values of `Sec-WebSocket-Extensions`) that this side can
/// keep; none when it can keep none of them.
pub(crate) fn agree<'a>(headers: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    headers.flat_map(|value| value.split(',')).find_map(answer)
}

/// The answer repeats what the offer demands of this side. What the client offers to do itself (a window of
/// its own, or the hint that it could be asked for one) needs no answer (7.1.2.2).
fn answer(offer: &str) -> Option<&'static str> {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some(NAME) {
        return None;
    }
    let mut seen = Vec::new();
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (parameter, None),
        };
        let is_good = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            // A window of the client's is whatever it likes.
            "client_max_window_bits" => value.is_none_or(is_window),
            // Compressed once for all sockets: only the largest window.
            "server_max_window_bits" => value == Some("15"),
            _ => false,
        };
        if !is_good || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    let names_window = seen.contains(&"server_max_window_bits");
    Some(if names_window { AGREED_WITH_WINDOW } else { AGREED })
}

fn is_window(bits: &str) -> bool {
    bits.parse().is_ok_and(|bits: u8| (8..=15).contains(&bits)) && !bits.starts_with(['0', '+'])
}

/// Compresses a message; none when that saves nothing.
pub(super) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < WORTH_BYTES {
        return None;
    }
    let mut compress = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(bytes.len());
    // No more room than the message has: one that does not fit is not worth it.
    let status = compress.compress_vec(bytes, &mut out, FlushCompress::Sync).ok()?;
    let is_whole = status == Status::Ok
        && compress.total_in() == bytes.len() as u64
        && out.len() < out.capacity()
        && out.ends_with(&TAIL);
    if !is_whole {
        return None;
    }
    out.truncate(out.len() - TAIL.len());
    Some(out)
}

/// Inflates a message of a client: its window is gone with it, since sockets are many and idle.
pub(super) fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, NotInflated> {
    let mut inflater = Inflater::new(limit);
    inflater.inflate(bytes)?;
    Ok(inflater.into_message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offers_that_can_be_kept_are_taken_and_the_others_are_not() {
        for good in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            "x-other, permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ] {
            assert!(agree([good].into_iter()).is_some(), "{good}");
        }
        for bad in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=008",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; unheard_of",
        ] {
            assert_eq!(agree([bad].into_iter()), None, "{bad}");
        }
    }

    #[test]
    fn the_answer_repeats_every_parameter_that_binds_this_side() {
        let named =
            |offer| agree([offer].into_iter()).unwrap().contains("server_max_window_bits=15");
        assert!(named("permessage-deflate; server_max_window_bits=15"));
        assert!(named("permessage-deflate; client_max_window_bits; server_max_window_bits=\"15\""));
        // Of the first offer that can be kept.
        assert!(named(
            "permessage-deflate; server_max_window_bits=9, \
            permessage-deflate; server_max_window_bits=15, permessage-deflate"
        ));
        assert!(!named("permessage-deflate, permessage-deflate; server_max_window_bits=15"));
        for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits=10"] {
            let answer = agree([offer].into_iter()).unwrap();
            assert!(answer.contains("server_no_context_takeover"), "{answer}");
            assert!(!answer.contains("window_bits"), "{answer}");
        }
    }

    #[test]
    fn a_bomb_is_found_before_it_fills_the_memory() {
        let bomb = deflate(&vec![b'a'; 64 << 20]).unwrap();
        assert!(bomb.len() < 1 << 20);
        assert_eq!(inflate(&bomb, 1 << 20), Err(NotInflated::TooBig));
    }

    #[test]
    fn short_or_random_messages_stay_as_they_are() {
        assert!(deflate(b"short").is_none());
        let noise: Vec<u8> = (0..64).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
        assert!(deflate(&noise).is_none());
    }

    proptest! {
        #[test]
        fn what_was_deflated_inflates_to_itself(text in "[a-e ]{256,9000}") {
            let deflated = deflate(text.as_bytes()).unwrap();
            prop_assert!(deflated.len() < text.len());
            let back = inflate(&deflated, 9_000).unwrap();
            prop_assert_eq!(back, text.as_bytes());
            prop_assert_eq!(inflate(&deflated, text.len() - 1), Err(NotInflated::TooBig));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(out) = inflate(&bytes, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }
}
