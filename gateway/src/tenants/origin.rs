//! The page that a request comes from, as its headers say. Must not know whose page it is: the list of each tenant says
//! that.

use axum::http::{HeaderMap, Uri, header};

/// Whether a page of this origin may open a socket: no origin (not a browser), the same host, or listed.
pub(crate) fn is_origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|listed| listed == origin) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority =
        origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    host.is_some() && authority.as_deref() == host
}

/// What a request says of the page that it comes from, where that is a page of another host. Kept until it is known
/// whose user is there, on the few connections that come from such pages.
pub(crate) fn foreign_page(headers: &HeaderMap) -> Option<Box<HeaderMap>> {
    let origin = headers.get(header::ORIGIN).filter(|_| !is_origin_allowed(headers, &[]))?;
    Some(Box::new(HeaderMap::from_iter([(header::ORIGIN, origin.clone())])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn pages_of_other_hosts_open_no_sockets() {
        let from =
            |origin| headers(&[(header::ORIGIN, origin), (header::HOST, "chat.example:8080")]);
        assert!(is_origin_allowed(&HeaderMap::new(), &[]));
        assert!(is_origin_allowed(&from("http://chat.example:8080"), &[]));
        assert!(!is_origin_allowed(&from("http://evil.example"), &[]));
        assert!(!is_origin_allowed(&from("null"), &[]));
        assert!(is_origin_allowed(&from("http://app.example"), &["http://app.example".to_owned()]));
    }
}
