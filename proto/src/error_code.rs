//! The closed list of error codes, and the HTTP status of each. A retired code is never reused.

use serde::{Deserialize, Serialize};

/// What went wrong, in terms of what the client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame or request is malformed. Correct it: the same bytes fail again.
    BadFrame,
    /// The `type` of the frame is not known to this server.
    UnknownType,
    /// A field has a value that is not allowed. Correct it.
    Invalid,
    /// This server does not have what the request needs. Leave it out: the same request fails again.
    Unsupported,
    /// Larger than a limit; the message names it. Send less.
    TooLarge,
    /// A limit was reached; `limit` names it. Send again after `retry_after_ms`.
    RateLimited,
    /// No valid token. Sign in again.
    Unauthenticated,
    /// The caller is not a member of the conversation, or it does not exist.
    NotMember,
    /// What the request names does not exist.
    NotFound,
    /// The caller's role does not allow this.
    Forbidden,
    /// Another operation is stored under this client id, and stays stored. A new operation needs a new id.
    Conflict,
    /// A quota of a day, or of a whole account, is used up; the message names it.
    QuotaExceeded,
    /// The request waited in a queue for longer than it is good for, and was not worked on. Send again with the same client
    /// id.
    Expired,
    /// A backend is unavailable or the server is overloaded. Send again after `retry_after_ms` with the same client id.
    Unavailable,
    /// A fault of the server. Send again once, then report it.
    Internal,
}

impl ErrorCode {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 15] = [
        Self::BadFrame,
        Self::UnknownType,
        Self::Invalid,
        Self::Unsupported,
        Self::TooLarge,
        Self::RateLimited,
        Self::Unauthenticated,
        Self::NotMember,
        Self::NotFound,
        Self::Forbidden,
        Self::Conflict,
        Self::QuotaExceeded,
        Self::Expired,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as it stands in frames and REST bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::UnknownType => "unknown_type",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::NotMember => "not_member",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status of a REST answer with this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadFrame | Self::UnknownType | Self::Invalid | Self::Unsupported => 400,
            Self::Unauthenticated => 401,
            Self::NotMember | Self::Forbidden | Self::QuotaExceeded => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Expired | Self::Unavailable => 503,
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limit that was reached, with the code `rate_limited`. With `waiting` the client waits for answers to its earlier
/// requests, with all others for `retry_after_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Messages and other writing requests of one user.
    Messages,
    /// `typing` and `status` of one user.
    States,
    /// Call signals of one user.
    Signals,
    /// Bytes of call signals of one user.
    SignalBytes,
    /// `sync` and reading requests of one user.
    Reads,
    /// Broadcasts of one operator.
    Broadcasts,
    /// Frames of any type of one connection.
    Frames,
    /// Messages and other writing requests of all users of one tenant.
    TenantMessages,
    /// Too many earlier requests await their answer; no rate is exceeded.
    Waiting,
}

impl Limit {
    /// Every limit, for documents and tests.
    pub const ALL: [Self; 9] = [
        Self::Messages,
        Self::States,
        Self::Signals,
        Self::SignalBytes,
        Self::Reads,
        Self::Broadcasts,
        Self::Frames,
        Self::TenantMessages,
        Self::Waiting,
    ];

    /// The limit as it stands in frames, REST bodies and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::States => "states",
            Self::Signals => "signals",
            Self::SignalBytes => "signal_bytes",
            Self::Reads => "reads",
            Self::Broadcasts => "broadcasts",
            Self::Frames => "frames",
            Self::TenantMessages => "tenant_messages",
            Self::Waiting => "waiting",
        }
    }
}

/// Whether the request that an error answers was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Nothing was stored, now or later.
    No,
    /// Unknown: send again with the same client id to find out.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_code_is_what_serde_writes() {
        for code in ErrorCode::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
        }
        for limit in Limit::ALL {
            let json = serde_json::to_string(&limit).unwrap();
            assert_eq!(json, format!("\"{}\"", limit.as_str()));
        }
    }
}
