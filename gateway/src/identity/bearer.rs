//! Where a request has its token. Must not read the token.

use axum::http::{HeaderMap, header};

/// A token beside it in `Sec-WebSocket-Protocol`, for browsers, which can set no other header.
pub(crate) const BEARER_PROTOCOL: &str = "bearer.";

/// The token of an upgrade request: query, subprotocol, `Authorization`.
pub(crate) fn token(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    if let Some(token) = query.filter(|token| !token.is_empty()) {
        return Some(token.to_owned());
    }
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered =
        protocols.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if let Some(token) = offered.find_map(|name| name.trim().strip_prefix(BEARER_PROTOCOL)) {
        return Some(token.to_owned());
    }
    bearer(headers).map(str::to_owned)
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_in_the_query_the_subprotocol_and_the_header() {
        let none = HeaderMap::new();
        assert_eq!(token(Some("t"), &none).as_deref(), Some("t"));
        assert_eq!(token(Some(""), &none), None);
        let protocol = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "tidings.v1, bearer.abc")]);
        assert_eq!(token(None, &protocol).as_deref(), Some("abc"));
        let authorization = headers(&[(header::AUTHORIZATION, "bearer abc")]);
        assert_eq!(token(None, &authorization).as_deref(), Some("abc"));
        assert_eq!(token(None, &headers(&[(header::AUTHORIZATION, "Basic abc")])), None);
    }
}
