//! The closed list of codes with which a server ends a WebSocket or an event stream. A retired code is never reused.

/// Why a server ends a connection, in terms of what the client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CloseCode {
    /// No answer to the server's pings. Reconnect.
    NoHeartbeat = 1001,
    /// The bytes are not the WebSocket protocol. Correct the client.
    ProtocolError = 1002,
    /// A text frame is not UTF-8. Correct the client.
    NotUtf8 = 1007,
    /// A message was begun and not completed in time. Reconnect.
    MessageTimeout = 1008,
    /// A frame above `limits.frame_bytes` of `welcome`. Send less; the same frame fails again.
    FrameTooLarge = 1009,
    /// A fault of the server. Reconnect and sync.
    Internal = 1011,
    /// The server is shutting down. Reconnect.
    Restarting = 1012,
    /// The server cannot serve the connection at the moment. Reconnect later.
    TryAgain = 1013,
    /// The same device has connected again. Do not reconnect by yourself.
    Replaced = 4000,
    /// No valid token: missing, malformed, expired or revoked. Reconnect with another token; the reason begins with
    /// `revoked` when the session was ended.
    Unauthenticated = 4001,
    /// Not allowed: a page of another tenant, `/ws/{conversation_id}` without being a member, or only unknown
    /// subprotocols. Do not reconnect unchanged.
    Forbidden = 4003,
    /// Entries were pushed four times and never acknowledged with `delivered`. Reconnect and acknowledge, or connect with
    /// `acks=off`.
    Unacknowledged = 4008,
    /// The client reads more slowly than frames arrive. Reconnect and sync.
    TooSlow = 4009,
    /// A limit of connections is reached; the reason begins with its name. Reconnect later.
    LimitReached = 4029,
}

impl CloseCode {
    /// Every code, for documents, metrics and tests.
    pub const ALL: [Self; 14] = [
        Self::NoHeartbeat,
        Self::ProtocolError,
        Self::NotUtf8,
        Self::MessageTimeout,
        Self::FrameTooLarge,
        Self::Internal,
        Self::Restarting,
        Self::TryAgain,
        Self::Replaced,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Unacknowledged,
        Self::TooSlow,
        Self::LimitReached,
    ];

    /// The code as a number.
    pub const fn as_u16(self) -> u16 {
        self as u16
    }

    /// The code as a label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHeartbeat => "1001",
            Self::ProtocolError => "1002",
            Self::NotUtf8 => "1007",
            Self::MessageTimeout => "1008",
            Self::FrameTooLarge => "1009",
            Self::Internal => "1011",
            Self::Restarting => "1012",
            Self::TryAgain => "1013",
            Self::Replaced => "4000",
            Self::Unauthenticated => "4001",
            Self::Forbidden => "4003",
            Self::Unacknowledged => "4008",
            Self::TooSlow => "4009",
            Self::LimitReached => "4029",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_of_code_is_its_number() {
        for code in CloseCode::ALL {
            assert_eq!(code.as_str(), code.as_u16().to_string());
        }
    }
}
