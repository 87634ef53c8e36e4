//! Whether a request came straight from a program on this machine. Only then is what the all-in-one allows to
//! its own machine allowed: a proxy beside it has this machine's address, too, and speaks for the whole world,
//! and a browser on it may be led here by a page under any name.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Version, header};

/// What proxies add. One is enough.
const OF_PROXIES: [&str; 12] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-envoy-external-address",
];

/// The sign that a request came through a proxy; none when there is none.
pub(crate) fn proxy_sign(headers: &HeaderMap, version: Version) -> Option<&'static str> {
    // No browser or client library of today speaks it; some proxies do unless they are told otherwise.
    if version < Version::HTTP_11 {
        return Some("HTTP/1.0");
    }
    OF_PROXIES.into_iter().find(|name| headers.contains_key(*name))
}

/// Whether the request is addressed to this machine: by a loopback address, as `localhost`, or by a listed name.
pub(crate) fn names_this_machine(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut hosts_given = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts_given.next(), hosts_given.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let name = without_port(host);
    let is_listed = |listed: &String| listed.eq_ignore_ascii_case(name);
    if name.eq_ignore_ascii_case("localhost") || hosts.iter().any(is_listed) {
        return true;
    }
    name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name or address of a `Host`.
fn without_port(host: &str) -> &str {
    if host.parse::<SocketAddr>().is_ok() || host.starts_with('[') {
        let end = host.find(']').unwrap_or_else(|| host.rfind(':').unwrap_or(host.len()));
        return host[..end].trim_start_matches('[');
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_through_a_proxy_is_known_by_what_proxies_add() {
        let none = HeaderMap::new();
        assert_eq!(proxy_sign(&none, Version::HTTP_11), None);
        assert_eq!(proxy_sign(&none, Version::HTTP_10), Some("HTTP/1.0"));
        for name in OF_PROXIES {
            let mut headers = HeaderMap::new();
            headers.insert(name, "x".parse().unwrap());
            assert_eq!(proxy_sign(&headers, Version::HTTP_11), Some(name));
        }
    }

    #[test]
    fn this_machine_is_named_by_its_own_addresses_and_listed_names() {
        let listed = ["chat.lan".to_owned()];
        let is_own = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            names_this_machine(&headers, &listed)
        };
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "app.localhost",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "[::1]",
            "chat.lan:80",
            "Chat.lan",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:8080",
            "10.0.0.1",
            "[2001:db8::1]:80",
            "localhost.evil.example",
            "",
            ":8080",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_own(other), "{other}");
        }
        assert!(!names_this_machine(&HeaderMap::new(), &listed));
    }
}
