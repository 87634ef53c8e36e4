//! Requests whose parameters have values that nobody should send. Each must be answered with 2xx or 4xx.

/// A method and a path with its query.
pub const ODD: &[(&str, &str)] = &[
    ("GET", "/api/v1/users?prefix=%00"),
    ("GET", "/api/v1/users?prefix=%ED%A0%80"),
    ("GET", "/api/v1/users?ids=%00,a%2fb,.."),
    ("GET", "/api/v1/users?prefix=a&limit=99999999999999999999"),
    ("GET", "/api/v1/presence?ids=%00"),
    ("GET", "/api/v1/admin/dead-letters/%00"),
    ("POST", "/api/v1/admin/dead-letters/%00/replay"),
    ("GET", "/api/v1/admin/explain?message=%00&user=%00"),
    ("GET", "/api/v1/conversations?after=%00"),
    ("GET", "/api/v1/conversations?limit=-1"),
    ("GET", "/api/v1/conversations/.."),
    ("GET", "/api/v1/conversations/%2e%2e/messages"),
    (
        "GET",
        "/api/v1/conversations/00000000-0000-0000-0000-000000000000/messages?before_seq=9223372036854775808",
    ),
    ("GET", "/api/v1/conversations/00000000-0000-0000-0000-000000000000/messages?after_seq=-1"),
    ("GET", "/api/v1/conversations/%D9%A1/members?after=%00"),
    ("DELETE", "/api/v1/conversations/00000000-0000-0000-0000-000000000000/members/%00"),
    ("DELETE", "/api/v1/sessions?device_id=%00"),
    ("DELETE", "/api/v1/sessions/%00"),
];
