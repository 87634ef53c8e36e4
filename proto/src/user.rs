//! Who a user is: a name that is unique within one tenant, and the tenant.
//!
//! What clients write and read are [`UserName`]s: a client cannot name a tenant, the tenant is that of the key that
//! verified its token. Between our processes a user is a [`UserId`], so that a map, a rate or a key that holds users
//! keeps tenants apart without knowing about them. There is no `Serialize` for it: JSON is for clients.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{IdError, check_name};

/// Longest id of a tenant in bytes.
pub const MAX_TENANT_BYTES: usize = 32;

/// Most tenants that one process may ever have seen: their ids are kept until it ends.
pub const MAX_TENANTS: usize = 10_000;

/// Parts the tenant from the name in the text of a [`UserId`]. No name and no tenant contains it.
const SEPARATOR: char = '/';

/// One application of an install. Its users, conversations and limits are apart from those of all others.
///
/// A copy is a pointer: each text is kept once, until the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(&'static str);

static KNOWN: LazyLock<RwLock<HashSet<&'static str>>> = LazyLock::new(RwLock::default);

impl TenantId {
    /// The tenant of an install that names none.
    pub const DEFAULT: Self = Self("default");

    /// Parses 1 to 32 bytes of `a-z 0-9 -`.
    ///
    /// # Errors
    /// Text of another form, and [`IdError::TooManyTenants`] for one that is new after [`MAX_TENANTS`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text == Self::DEFAULT.0 {
            return Ok(Self::DEFAULT);
        }
        if let Some(known) = KNOWN.read().get(text) {
            return Ok(Self(known));
        }
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > MAX_TENANT_BYTES
            || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(IdError::NotTenant);
        }
        let mut known = KNOWN.write();
        if let Some(known) = known.get(text) {
            return Ok(Self(known));
        }
        if known.len() >= MAX_TENANTS {
            return Err(IdError::TooManyTenants);
        }
        let text: &'static str = Box::leak(text.into());
        known.insert(text);
        Ok(Self(text))
    }

    /// Reads a field `tenant` of our protobuf messages: empty text is [`TenantId::DEFAULT`].
    pub fn from_field(text: &str) -> Result<Self, IdError> {
        if text.is_empty() { Ok(Self::DEFAULT) } else { Self::parse(text) }
    }

    /// What a field `tenant` of our protobuf messages says of this tenant.
    pub fn to_field(self) -> String {
        if self.is_default() { String::new() } else { self.0.to_owned() }
    }

    /// The id as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether this is the tenant of an install that names none.
    pub fn is_default(self) -> bool {
        self == Self::DEFAULT
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The id of a user within a tenant: the `sub` of the user's tokens.
#[derive(Clone)]
pub struct UserName {
    text: Arc<str>,
    /// Where the name begins: a name taken from a [`UserId`] shares its text.
    from: u8,
}

impl UserName {
    /// Parses a text of 1 to 64 bytes of `A-Z a-z 0-9 . _ - @ : +` that is not `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_name(text)?;
        Ok(Self { text: Arc::from(text), from: 0 })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text[usize::from(self.from)..]
    }

    /// The user of this name in a tenant.
    pub fn of(&self, tenant: TenantId) -> UserId {
        if tenant.is_default() {
            let text = if self.from == 0 { self.text.clone() } else { Arc::from(self.as_str()) };
            return UserId { text, tenant };
        }
        let text = format!("{tenant}{SEPARATOR}{}", self.as_str());
        UserId { text: Arc::from(text), tenant }
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for UserName {}

impl Hash for UserName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for UserName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl FromStr for UserName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
impl schemars::JsonSchema for UserName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The id of a user: the `sub` of the user's tokens.",
            "type": "string",
            "minLength": 1,
            "maxLength": crate::name::MAX_NAME_BYTES,
            "pattern": r"^(?!\.{1,2}$)[A-Za-z0-9._@:+-]+$",
        })
    }
}

impl Serialize for UserName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A user of a tenant.
///
/// Its text is `tenant/name`, and the name alone in the tenant `default`, so that what an install without tenants has
/// stored, hashed or sent stays as it is. This text goes between our processes and into keys, never to a client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId {
    text: Arc<str>,
    tenant: TenantId,
}

impl UserId {
    /// Reads what [`UserId::as_str`] wrote in another process of ours. Never for what a client wrote: that is a
    /// [`UserName`], and `acme/bob` in it must be refused instead of meaning somebody else's user.
    pub fn parse_qualified(text: &str) -> Result<Self, IdError> {
        let Some((tenant, name)) = text.split_once(SEPARATOR) else {
            check_name(text)?;
            return Ok(Self { text: Arc::from(text), tenant: TenantId::DEFAULT });
        };
        check_name(name)?;
        let tenant = TenantId::parse(tenant)?;
        // One text for each user: the default tenant is not written.
        if tenant.is_default() {
            return Err(IdError::BadCharacter);
        }
        Ok(Self { text: Arc::from(text), tenant })
    }

    /// The text that names this user among all tenants.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose user this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The name within the tenant, as text.
    pub fn name_str(&self) -> &str {
        &self.text[usize::from(self.name_from())..]
    }

    /// The name within the tenant; shares the text.
    pub fn name(&self) -> UserName {
        UserName { text: self.text.clone(), from: self.name_from() }
    }

    fn name_from(&self) -> u8 {
        // At most MAX_TENANT_BYTES and the separator.
        if self.tenant.is_default() { 0 } else { self.tenant.as_str().len() as u8 + 1 }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_the_default_tenant_is_written_as_its_name_alone() {
        let ann = UserName::parse("ann").unwrap().of(TenantId::DEFAULT);
        assert_eq!((ann.as_str(), ann.name_str(), ann.tenant()), ("ann", "ann", TenantId::DEFAULT));
        assert_eq!(UserId::parse_qualified("ann").unwrap(), ann);
        assert!(UserId::parse_qualified("default/ann").is_err(), "one user has one text");
    }

    #[test]
    fn equal_names_of_two_tenants_are_two_users() {
        let name = UserName::parse("ann").unwrap();
        let (acme, default) =
            (name.of(TenantId::parse("acme").unwrap()), name.of(TenantId::DEFAULT));
        assert_ne!(acme, default);
        assert_eq!(acme.name(), default.name());
        assert_eq!(UserId::parse_qualified(acme.as_str()).unwrap(), acme);
        assert_eq!(acme.name().of(TenantId::DEFAULT), default);
        assert_eq!(acme.name().of(acme.tenant()), acme);
        assert_eq!(serde_json::to_string(&acme.name()).unwrap(), "\"ann\"");
    }

    #[test]
    fn a_client_cannot_name_a_tenant() {
        assert_eq!(UserName::parse("acme/ann"), Err(IdError::BadCharacter));
        assert!(serde_json::from_str::<UserName>("\"acme/ann\"").is_err());
    }

    #[test]
    fn a_tenant_is_of_lower_case_letters_digits_and_hyphens() {
        for text in ["", "Acme", "a_b", "a/b", "é", &"a".repeat(33)] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            TenantId::parse(&"a".repeat(32)).unwrap(),
            TenantId::parse(&"a".repeat(32)).unwrap()
        );
    }
}
