//! The checks of each connection and request: whose the token is, whether it was revoked, whether a rate is used up, and
//! which users a user may reach. Must not refuse by itself: it returns the result, and the caller tells the client.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use platform::grpc::{GrpcChannel, ask};
use platform::token::{TokenError, Verifier};
use proto::chat::chat_client::ChatClient;
use proto::chat::{AcquaintedRequest, PrivacyRequest};
use proto::id::{DeviceId, UserId, UserName};

use super::allow::{AllowConfig, Whom};
use super::revocations::Revocations;
use super::revocations::notes::Notes;
use super::{Credential, Identity};
use crate::metrics::GatewayMetrics;
use crate::rates::{Account, Rates, TooMuch};
use crate::tenants::Tenants;

/// Users of one question.
const AT_ONCE: usize = 1_000;

/// What it is answered with.
pub(crate) struct Access {
    pub(crate) verifier: Arc<Verifier>,
    /// How far clocks may differ, in seconds: tokens end so much later.
    pub(crate) leeway_secs: u64,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) notes: Notes,
    pub(crate) rates: Arc<Rates>,
    pub(crate) allow: AllowConfig,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) metrics: GatewayMetrics,
}

impl Access {
    /// Who a token speaks for.
    pub(crate) fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        let claims = self.verifier.verify(token, SystemTime::now())?;
        // What a token names is a name: its key says of which tenant.
        let name = UserName::parse(&claims.sub).map_err(|_| TokenError::BadSubject)?;
        let user_id = name.of(self.tenants.of_key(&claims.tenant)?);
        let named = claims.device.as_deref().filter(|device| !device.is_empty());
        let device_id =
            named.map(DeviceId::parse).transpose().map_err(|_| TokenError::BadDevice)?;
        let credential = Credential::of(token, &user_id, &claims, self.leeway_secs);
        let identity =
            Identity { user_id, device_id, claims, credential, is_exempt: false, ip: None };
        let device = identity.device_id.as_ref();
        if self.revocations.has(&identity.credential, &identity.user_id, device) {
            return Err(TokenError::Revoked);
        }
        Ok(identity)
    }

    /// Whether this user may ask for something now that costs so much of these accounts. It is counted.
    pub(crate) fn may_ask(
        &self,
        identity: &Identity,
        costs: &[(Account, u32)],
    ) -> Result<(), TooMuch> {
        let by_user =
            if identity.is_exempt { Ok(()) } else { self.rates.ask(&identity.user_id, costs) };
        let messages = costs.iter().find(|(account, _)| *account == Account::Messages);
        // The user first: one who is refused uses up nothing of the others'.
        let asked = by_user.and_then(|()| match messages {
            Some((_, count)) => self.tenants.may_say(identity.tenant(), *count),
            None => Ok(()),
        });
        asked.inspect_err(|refused| self.metrics.refused(refused.limit.as_str()))
    }

    /// Those of a list to whom this user may do something.
    pub(crate) async fn allowed(
        &self,
        whom: Whom,
        identity: &Identity,
        users: Vec<UserId>,
    ) -> Result<Vec<UserId>, tonic::Status> {
        match whom {
            Whom::Everyone => return Ok(users),
            _ if identity.has_role_admin() => return Ok(users),
            Whom::Nobody => return Ok(only(users, &[identity.user_id.to_string()])),
            Whom::Contacts => {}
        }
        let mut known = vec![identity.user_id.to_string()];
        for part in users.chunks(AT_ONCE) {
            let request = AcquaintedRequest {
                user_id: identity.user_id.to_string(),
                user_ids: part.iter().map(ToString::to_string).collect(),
            };
            let reply = ask(&self.chat, request, |mut chat, request| async move {
                chat.acquainted(request).await
            });
            known.extend(reply.await?.user_ids);
        }
        Ok(only(users, &known))
    }

    /// The first of a list who does not let this user do something to them, as they set it for themselves.
    pub(crate) async fn closed<'u>(
        &self,
        to: ClosedTo,
        identity: &Identity,
        users: &'u [UserId],
    ) -> Result<Option<&'u UserId>, tonic::Status> {
        if identity.has_role_admin() {
            return Ok(None);
        }
        for part in users.chunks(AT_ONCE) {
            let request = PrivacyRequest {
                user_id: identity.user_id.to_string(),
                user_ids: part.iter().map(ToString::to_string).collect(),
            };
            let reply =
                ask(
                    &self.chat,
                    request,
                    |mut chat, request| async move { chat.privacy(request).await },
                );
            let reply = reply.await?;
            let closed = match to {
                ClosedTo::Groups => reply.closed_to_groups,
                ClosedTo::Calls => reply.closed_to_calls,
            };
            if let Some(first) =
                part.iter().find(|user| closed.iter().any(|it| it == user.as_str()))
            {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }
}

/// What users may close to others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ClosedTo {
    Groups,
    Calls,
}

fn only(users: Vec<UserId>, known: &[String]) -> Vec<UserId> {
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    users.into_iter().filter(|user| known.contains(user.as_str())).collect()
}
