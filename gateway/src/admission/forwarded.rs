//! Whose request it is when proxies stand in front: `X-Forwarded-For`, believed only as far as listed
//! networks wrote it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::network::{Network, plain};

/// The header, older than the standard one and the one that every proxy writes.
const HEADER: &str = "x-forwarded-for";

/// The address of the client: from the right, the first one that no listed proxy has.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address| proxies.iter().any(|network| network.contains(address));
    let mut client = plain(peer);
    if !is_proxy(client) {
        return client;
    }
    let values: Vec<&str> =
        headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        // What cannot be read was not written by a proxy of ours: nothing left of it counts.
        let Some(address) = address(hop.trim()) else { break };
        client = address;
        if !is_proxy(client) {
            break;
        }
    }
    client
}

/// Whether the proxy next to us said who it was for.
pub(crate) fn is_told(headers: &HeaderMap) -> bool {
    let last = headers.get_all(HEADER).iter().next_back().and_then(|value| value.to_str().ok());
    last.and_then(|value| address(value.rsplit(',').next()?.trim())).is_some()
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok();
    parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip())).map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, values: &[&str]) -> String {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(seen("203.0.113.5", &["198.51.100.1"]), "203.0.113.5");
        assert_eq!(seen("203.0.113.5", &[]), "203.0.113.5");
    }

    #[test]
    fn a_listed_proxy_says_who_it_was() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(seen("fd00::1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(seen("fd00::1", &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_made_up_is_left_of_what_the_proxy_saw() {
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.9"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.0.0.9"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, <script>, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(seen("10.0.0.1", &["unknown"]), "10.0.0.1");
    }
}
