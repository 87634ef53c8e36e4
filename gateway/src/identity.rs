//! Identities: tokens, the identity that they prove, the list of what was revoked, and what a user may ask for.
//!
//! Must not know connections or what is sent over them: it names the sessions to end to `OpenSessions`.

pub(crate) mod access;
pub(crate) mod allow;
pub(crate) mod bearer;
pub(crate) mod credential;
pub(crate) mod device;
pub(crate) mod login;
pub(crate) mod revocations;
mod user_hash;

use std::net::IpAddr;

use platform::token::Claims;
use proto::bus::Origin;
use proto::common::DeviceType;
use proto::frame::keys::Whose;
use proto::id::{ConversationId, DeviceId, TenantId, UserId, UserName};

pub(crate) use access::Access;
pub(crate) use credential::Credential;
pub(crate) use user_hash::UserHash;

/// A verified user with a name that may stand in keys.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) user_id: UserId,
    /// The device that the token names.
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) claims: Claims,
    /// What revocations are compared with.
    pub(crate) credential: Credential,
    /// Rates do not apply where it speaks from.
    pub(crate) is_exempt: bool,
    /// Where it speaks from, once that is known.
    pub(crate) ip: Option<IpAddr>,
}

impl Identity {
    /// Whose user it is: of the tenant whose key has verified the token.
    pub(crate) fn tenant(&self) -> TenantId {
        self.user_id.tenant()
    }

    /// Another user of the same tenant, whom the client named.
    pub(crate) fn user(&self, name: &UserName) -> UserId {
        name.of(self.tenant())
    }

    /// The same for several.
    pub(crate) fn users(&self, names: &[UserName]) -> Vec<UserId> {
        names.iter().map(|name| self.user(name)).collect()
    }

    /// The same, as frames and questions to services hold them.
    pub(crate) fn user_texts(&self, names: &[UserName]) -> Vec<String> {
        names.iter().map(|name| self.user(name).to_string()).collect()
    }

    /// The direct conversation with another user.
    pub(crate) fn direct_with(&self, other: &UserName) -> ConversationId {
        ConversationId::direct(self.tenant(), &self.user_id.name(), other)
    }

    /// Whose keys of what is encrypted a request is answered with: those of the device that the token names, else those of all
    /// devices of the user.
    pub(crate) fn keys(&self) -> Whose<'_> {
        let user = self.user_id.name_str();
        match &self.device_id {
            Some(device) => Whose::Device { user, device: device.as_str() },
            None => Whose::User(user),
        }
    }

    /// Whether the token is an operator's.
    pub(crate) fn has_role_admin(&self) -> bool {
        self.has_role("admin")
    }

    /// Whether the token is a moderator's.
    pub(crate) fn has_role_moderator(&self) -> bool {
        self.has_role("moderator")
    }

    /// Whether the token is for reading what happens in its tenant.
    pub(crate) fn may_read_events(&self) -> bool {
        self.has_role_admin() || self.has_role("events")
    }

    fn has_role(&self, role: &str) -> bool {
        self.claims.roles.iter().any(|it| it == role)
    }

    /// As frames carry it.
    pub(crate) fn origin(
        &self,
        connection: u64,
        device_id: &str,
        device_type: DeviceType,
    ) -> Origin {
        let (admin, moderator) = (self.has_role_admin(), self.has_role_moderator());
        // Nobody needs it of others.
        let ip = self.ip.filter(|_| admin || moderator);
        Origin {
            connection,
            user_id: self.user_id.to_string(),
            device_id: device_id.to_owned(),
            device_type: device_type as i32,
            name: self.claims.name.clone().unwrap_or_default(),
            avatar: self.claims.avatar.clone().unwrap_or_default(),
            admin,
            bot: self.has_role("bot"),
            moderator,
            ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
        }
    }
}
