//! Identifiers as types: parsed once at an edge, trusted inside.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::name::check_name;
pub use crate::name::{IdError, MAX_NAME_BYTES};
pub use crate::user::{TenantId, UserId, UserName};

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a text of 1 to 64 bytes of `A-Z a-z 0-9 . _ - @ : +` that is not `.` or `..`.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_name(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_id! {
    /// One device of a user; the newest connection of a device replaces the older one.
    DeviceId
}
name_id! {
    /// One gateway process, stable over its restarts.
    GatewayId
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new time-ordered id (UUIDv7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// Parses the usual text form of a UUID.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid)
            }

            /// Reads the 16 bytes used inside protobuf messages.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| IdError::NotUuid)
            }

            /// The 16 bytes used inside protobuf messages.
            pub fn to_bytes(self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(self.0.as_bytes())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The id of a conversation. That of a direct conversation follows from its two users.
    ConversationId
}
uuid_id! {
    /// The id of an entry of a log.
    EntryId
}
uuid_id! {
    /// A UUID that a client makes for one operation and keeps until it is answered: a repeat with it is stored once.
    ClientId
}
uuid_id! {
    /// A UUID that a caller makes for one call; all signals of the call have it.
    CallId
}

impl ClientId {
    /// The id of a part of an operation that is made of several: the same for a repeated request. It keeps the time of the
    /// making of this one.
    #[must_use]
    pub fn part(self, name: &str) -> Self {
        let of_part = derived_uuid(&["part", &self.to_string(), name]);
        let mut bytes = *self.0.as_bytes();
        bytes[8..].copy_from_slice(&of_part.as_bytes()[8..]);
        Self(Uuid::from_bytes(bytes))
    }
}

impl ConversationId {
    /// The direct conversation of two users of a tenant: the same for both, known without asking anybody.
    pub fn direct(tenant: TenantId, one: &UserName, other: &UserName) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        Self(derived_uuid(&["direct", tenant.as_str(), low.as_str(), high.as_str()]))
    }

    /// The self log of a user: what they set for all of their devices. Not [`ConversationId::direct`] of a user with
    /// themselves.
    pub fn own(user: &UserId) -> Self {
        Self(derived_uuid(&["own", user.tenant().as_str(), user.name_str()]))
    }

    /// The log of a tenant's notices, which everybody of the tenant reads.
    pub fn notices(tenant: TenantId) -> Self {
        Self(derived_uuid(&["notices", tenant.as_str()]))
    }

    /// The id of a conversation made by `creator` under `client_id`: the same for a repeated request.
    pub fn created(creator: &UserId, client_id: ClientId) -> Self {
        let client_id = client_id.to_string();
        Self(derived_uuid(&["created", creator.tenant().as_str(), creator.name_str(), &client_id]))
    }
}

/// A conversation of a tenant. Ids of different tenants may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationKey {
    /// Whose conversation it is.
    pub tenant: TenantId,
    /// Its id within the tenant.
    pub id: ConversationId,
}

impl ConversationKey {
    /// The conversation with this id in this tenant.
    pub fn new(tenant: TenantId, id: ConversationId) -> Self {
        Self { tenant, id }
    }
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant.is_default() {
            self.id.fmt(f)
        } else {
            write!(f, "{}/{}", self.tenant, self.id)
        }
    }
}

impl ClientId {
    /// The id of the copy that an operation makes in a conversation: the same for a repeated request.
    #[must_use]
    pub fn of_copy(self, to: ConversationId) -> Self {
        Self(derived_uuid(&["copy", &self.to_string(), &to.to_string()]))
    }
}

/// A UUIDv8 (RFC 9562 section 5.8) from the SHA-256 of the parts. No part contains a NUL.
fn derived_uuid(parts: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    #[test]
    fn a_direct_conversation_is_the_same_from_both_sides() {
        let (ann, bob) = (user("ann"), user("bob"));
        let direct = |one, other| ConversationId::direct(TenantId::DEFAULT, one, other);
        assert_eq!(direct(&ann, &bob), direct(&bob, &ann));
        assert_ne!(direct(&ann, &bob), direct(&ann, &ann));
        assert_ne!(
            direct(&ann, &bob),
            ConversationId::direct(TenantId::parse("acme").unwrap(), &ann, &bob)
        );
    }

    #[test]
    fn every_user_of_every_tenant_has_a_self_log_of_their_own() {
        let acme = TenantId::parse("acme").unwrap();
        let own = |name, tenant| ConversationId::own(&user(name).of(tenant));
        let anns = own("ann", TenantId::DEFAULT);
        assert_eq!(own("ann", TenantId::DEFAULT), anns);
        assert_ne!(own("bob", TenantId::DEFAULT), anns);
        assert_ne!(own("ann", acme), anns);
        let with_herself = ConversationId::direct(TenantId::DEFAULT, &user("ann"), &user("ann"));
        assert_ne!(anns, with_herself);
    }

    #[test]
    fn a_repeated_creation_names_the_same_conversation() {
        let client_id = ClientId::generate();
        let created = |name, tenant| ConversationId::created(&user(name).of(tenant), client_id);
        let again = created("ann", TenantId::DEFAULT);
        assert_eq!(created("ann", TenantId::DEFAULT), again);
        assert_ne!(created("bob", TenantId::DEFAULT), again);
        assert_ne!(created("ann", TenantId::parse("acme").unwrap()), again);
    }

    #[test]
    fn the_parts_of_an_operation_have_ids_of_its_time() {
        let whole = ClientId::generate();
        assert_eq!(whole.part("mute"), whole.part("mute"));
        assert_ne!(whole.part("mute"), whole.part("pin"));
        assert_ne!(whole.part("mute"), whole);
        assert_eq!(whole.part("pin").0.get_timestamp(), whole.0.get_timestamp());
    }

    #[test]
    fn ids_refuse_what_could_break_a_key_or_a_log_line() {
        for text in ["", "a b", "a\n", "a{b}", "a/b", "é"] {
            assert!(UserName::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(UserName::parse(&"a".repeat(65)), Err(IdError::TooLong));
        for text in [".", ".."] {
            assert_eq!(UserName::parse(text), Err(IdError::Dots));
            assert_eq!(DeviceId::parse(text), Err(IdError::Dots));
            assert_eq!(GatewayId::parse(text), Err(IdError::Dots));
        }
        assert!(UserName::parse("...").is_ok() && UserName::parse(".a").is_ok());
        assert!(UserName::parse("ann.lee+1@example.org").is_ok());
    }
}
