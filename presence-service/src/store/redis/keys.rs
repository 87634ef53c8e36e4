//! The names of keys: `{prefix}:{tenant}:…`. What stands in braces decides the slot in a Redis
//! cluster: the keys of one gateway share theirs, so that a script may touch them together.

use proto::id::{GatewayId, TenantId, UserId};

/// Makes the names under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
    /// Of what belongs to all tenants.
    base: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), base: format!("{prefix}:{}:", TenantId::DEFAULT) }
    }

    /// The record of a user.
    pub(super) fn user(&self, user_id: &UserId) -> String {
        let (tenant, name) = (user_id.tenant().as_str(), user_id.name_str());
        let length = self.prefix.len() + tenant.len() + name.len() + 9;
        let mut key = String::with_capacity(length);
        for part in [&self.prefix, ":", tenant, ":user:{", name, "}"] {
            key.push_str(part);
        }
        key
    }

    /// What a user's connections came from. Beside the record: look-ups of the message path do not read it.
    pub(super) fn clients(&self, user_id: &UserId) -> String {
        self.user(user_id) + ":clients"
    }

    /// Every gateway that is known.
    pub(super) fn gateways(&self) -> String {
        format!("{}gateways", self.base)
    }

    /// What living gateways said of their load.
    pub(super) fn loads(&self) -> String {
        format!("{}loads", self.base)
    }

    /// What a user has used up of its rates.
    pub(super) fn spending(&self, user_id: &UserId) -> String {
        self.user(user_id) + ":spending"
    }

    /// Which processes speak under the id of a gateway.
    pub(super) fn speakers(&self, gateway_id: &GatewayId) -> String {
        format!("{}gateway:{{{gateway_id}}}:speakers", self.base)
    }

    /// The account of a gateway, what it names, what earlier ones named, and the places of both in the list of
    /// all connections.
    pub(super) fn gateway(&self, gateway_id: &GatewayId) -> [String; 4] {
        let account = format!("{}gateway:{{{gateway_id}}}", self.base);
        [
            account.clone(),
            format!("{account}:live"),
            format!("{account}:superseded"),
            format!("{account}:listed"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_begin_with_prefix_and_tenant_and_name_their_slot() {
        let keys = Keys::new("tidings");
        assert_eq!(
            keys.user(&UserId::parse_qualified("ann").unwrap()),
            "tidings:default:user:{ann}"
        );
        let other = UserId::parse_qualified("acme/ann").unwrap();
        assert_eq!(keys.user(&other), "tidings:acme:user:{ann}");
        let gateway = keys.gateway(&GatewayId::parse("g1").unwrap());
        assert!(gateway.iter().all(|key| key.starts_with("tidings:default:gateway:{g1}")));
    }
}
