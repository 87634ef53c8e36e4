//! The closed list of error codes, and what each becomes on HTTP. A retired code is never reused.

use serde::{Deserialize, Serialize};

/// What went wrong, in terms of what the client should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame or request is malformed. Mend it; the same bytes fail again.
    BadFrame,
    /// The `type` of the frame is not known to this server.
    UnknownType,
    /// A field has a value that is not allowed. Mend it.
    Invalid,
    /// Larger than the limit told in `welcome`.
    TooLarge,
    /// Too many requests. Wait `retry_after_ms`.
    RateLimited,
    /// No valid token. Sign in again.
    Unauthenticated,
    /// The caller is not a member of the conversation, or it does not exist.
    NotMember,
    /// What the request names does not exist.
    NotFound,
    /// The caller's role does not allow this.
    Forbidden,
    /// The client id was used before for something else. Use a new one.
    Conflict,
    /// A bound of the user is reached, not of a minute but of a day or for good. The message names it.
    QuotaExceeded,
    /// A part of the system is away. Send again after `retry_after_ms` with the same client id.
    Unavailable,
    /// A fault of the server's own.
    Internal,
}

impl ErrorCode {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 13] = [
        Self::BadFrame,
        Self::UnknownType,
        Self::Invalid,
        Self::TooLarge,
        Self::RateLimited,
        Self::Unauthenticated,
        Self::NotMember,
        Self::NotFound,
        Self::Forbidden,
        Self::Conflict,
        Self::QuotaExceeded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as it stands in frames and REST bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::UnknownType => "unknown_type",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::NotMember => "not_member",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status of a REST answer with this code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadFrame | Self::UnknownType | Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::NotMember | Self::Forbidden | Self::QuotaExceeded => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which limit a request has met that is answered with [`ErrorCode::RateLimited`]. Says what to wait for:
/// with [`Limit::Waiting`] for answers to earlier requests, with all others for time to pass. A server that
/// is overloaded or misses a part answers [`ErrorCode::Unavailable`] instead and names no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Messages and other requests that append, of one user.
    Messages,
    /// `typing` and `status`, of one user.
    States,
    /// Call signals of one user.
    Signals,
    /// Bytes of call signals of one user.
    SignalBytes,
    /// `sync` and requests that read, of one user.
    Reads,
    /// Broadcasts of one operator.
    Broadcasts,
    /// Frames of one connection, whatever they are.
    Frames,
    /// Messages and other requests that append, of all users of one tenant.
    TenantMessages,
    /// Too many earlier requests wait; no rate is exceeded.
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

/// What an error says about the request it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Nothing was stored, now or later.
    No,
    /// It may or may not have been stored: send again with the same client id to find out.
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
