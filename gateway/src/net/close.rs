//! Every way in which this side ends a connection.

use std::borrow::Cow;

use platform::token::TokenError;
use proto::close_code::CloseCode;

use crate::admission::TENANT_IS_FULL;

/// Which limit an arriving socket meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Connections of its user, over all gateways.
    User,
    /// Connections of its tenant, at this gateway.
    Tenant,
}

impl Limit {
    /// The reason, for people and for programs: it begins with the limit's name.
    pub fn reason(self) -> String {
        match self {
            Self::User => format!("user_connections: {}", self.text()),
            Self::Tenant => format!("tenant_connections: {}", self.text()),
        }
    }

    /// The same without its name.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::User => "this user has as many connections as allowed",
            Self::Tenant => TENANT_IS_FULL,
        }
    }
}

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Close {
    /// The same device has connected again.
    Replaced,
    /// The token is missing, bad or has ended.
    Unauthenticated(TokenError),
    /// The session was ended by its user or by an admin.
    Revoked,
    /// Another user's token, or a name that no key may hold.
    BadSubject,
    /// Nothing was said in time.
    AuthTimeout,
    /// Not a member of the conversation in the path.
    NotAllowed,
    /// The page is none of the user's tenant.
    ForeignOrigin,
    /// One more than allowed.
    Limited(Limit),
    /// It reads more slowly than it is written to.
    TooSlow,
    /// It does not acknowledge what is pushed to it.
    Unacknowledged,
    /// A frame above the limit.
    TooBig,
    /// A frame so far above the limit that it was not read.
    MuchTooBig,
    /// A text frame that is not UTF-8.
    NotText,
    /// Bytes that are no WebSocket frame.
    NotFrames,
    /// No sign of life.
    Silent,
    /// This gateway is leaving.
    Restarting,
    /// Presence cannot be told of the connection.
    TryAgain,
    /// Too much waits for all sockets together, and more for this one than for others.
    Crowded,
    /// There was no room for a message of the client.
    NoRoom,
    /// A message was begun and did not come in time.
    Unfinished,
    /// A fault of the server's own in this session.
    Internal,
    /// The client offers subprotocols, and none of them is spoken here.
    ForeignSubprotocol,
}

impl Close {
    /// The close code of the protocol.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Replaced => CloseCode::Replaced,
            Self::Unauthenticated(_) | Self::Revoked | Self::BadSubject | Self::AuthTimeout => {
                CloseCode::Unauthenticated
            }
            Self::NotAllowed | Self::ForeignOrigin | Self::ForeignSubprotocol => {
                CloseCode::Forbidden
            }
            Self::Unacknowledged => CloseCode::Unacknowledged,
            Self::TooSlow => CloseCode::TooSlow,
            Self::Limited(_) => CloseCode::LimitReached,
            Self::TooBig | Self::MuchTooBig => CloseCode::FrameTooLarge,
            Self::NotText => CloseCode::NotUtf8,
            Self::NotFrames => CloseCode::ProtocolError,
            Self::Silent => CloseCode::NoHeartbeat,
            Self::Restarting => CloseCode::Restarting,
            Self::TryAgain | Self::Crowded | Self::NoRoom => CloseCode::TryAgain,
            Self::Unfinished => CloseCode::MessageTimeout,
            Self::Internal => CloseCode::Internal,
        }
    }

    /// The close code as a number.
    pub fn code(&self) -> u16 {
        self.close_code().as_u16()
    }

    /// The close code as a label of metrics.
    pub fn label(&self) -> &'static str {
        self.close_code().as_str()
    }

    /// The reason, for people and for programs.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Replaced => "the same device has connected again".into(),
            Self::Unauthenticated(error) => error.to_string().into(),
            Self::Revoked => "revoked: this session was ended; sign in again".into(),
            Self::BadSubject => "the token's subject is not this user, or not a user id".into(),
            Self::AuthTimeout => "no token in time".into(),
            Self::NotAllowed => "not a member of this conversation".into(),
            Self::ForeignOrigin => {
                "pages of this origin may not connect users of this application".into()
            }
            Self::Unacknowledged => {
                "entries are not acknowledged: say `delivered`, or connect with acks=off".into()
            }
            Self::TooSlow => "reading too slowly; reconnect and sync".into(),
            Self::Limited(limit) => limit.reason().into(),
            Self::TooBig | Self::MuchTooBig => "frame above the limit".into(),
            Self::NotText => "a text frame that is not UTF-8".into(),
            Self::NotFrames => "not the WebSocket protocol".into(),
            Self::Silent => "no answer to the heartbeat".into(),
            Self::Restarting => "restarting; reconnect".into(),
            Self::TryAgain => "not ready; try again".into(),
            Self::Crowded => "too much waits for this socket; reconnect and sync".into(),
            Self::NoRoom => "no room for a message of this size; try again".into(),
            Self::Unfinished => "a message was begun and did not come in time".into(),
            Self::Internal => "a fault of the server; it is logged; reconnect and sync".into(),
            Self::ForeignSubprotocol => {
                "subprotocol: offer tidings.v1 or tidings.v1.msgpack, or none at all".into()
            }
        }
    }
}
