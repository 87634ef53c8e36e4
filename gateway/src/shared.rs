//! What every connection and every request of this gateway shares.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bus::Bus;
use platform::grpc::GrpcChannel;
use platform::readiness::Readiness;
use platform::shares::Shares;
use platform::shutdown::Shutdown;
use platform::token::{Claims, TokenError, Verifier};
use platform::trace::Tracer;
use proto::bus::{DeviceType, Frame, GatewayRef, Origin, frame::Body};
use proto::chat::chat_client::ChatClient;
use proto::chat::dead_letters_client::DeadLettersClient;
use proto::chat::overview_client::OverviewClient;
use proto::chat::revocations_client::RevocationsClient;
use proto::id::{ConversationId, DeviceId, TenantId, UserId, UserName};
use proto::presence::presence_client::PresenceClient;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::allow::AllowConfig;
use crate::balance::Balance;
use crate::config::LimitsConfig;
use crate::connection::quality::NetworkConfig;
use crate::connection::unacknowledged::Patience;
use crate::credential::Credential;
use crate::epoch::Epoch;
use crate::heads::HeadsLink;
use crate::journal::Journal;
use crate::login::Login;
use crate::memory::Budgets;
use crate::metrics::GatewayMetrics;
use crate::presence_link::PresenceLink;
use crate::pulse::Pulse;
use crate::rates::{Account, Rates, TooMuch};
use crate::registry::Registry;
use crate::relief::Relief;
use crate::revocations::Revocations;
use crate::revocations::notes::Notes;
use crate::socket::MessageBounds;
use crate::tenants::{DevSigners, Tenants};
use crate::unanswered::Unanswered;
use crate::uplink::Uplink;

/// Shared by all, cheap to hand on.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Parts>);

pub(crate) struct Parts {
    /// From when moments that connections share are counted.
    pub(crate) began: tokio::time::Instant,
    pub(crate) gateway_id: String,
    pub(crate) limits: LimitsConfig,
    pub(crate) admission: Admission,
    pub(crate) network: NetworkConfig,
    pub(crate) allow: AllowConfig,
    pub(crate) login: Login,
    pub(crate) rates: Arc<Rates>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) notes: Notes,
    pub(crate) sessions: RevocationsClient<GrpcChannel>,
    pub(crate) patience: Patience,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) leeway_secs: u64,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) dev_signers: DevSigners,
    /// Those of the tenant `default`; else they are for programs of this machine. What tenants have is for everybody.
    pub(crate) dev_tokens_for_all: bool,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) journal: Arc<Journal>,
    /// The incarnation that pushes are addressed to; none while there is no queue.
    pub(crate) gateway: Arc<watch::Sender<Option<GatewayRef>>>,
    pub(crate) uplink: Uplink,
    pub(crate) unanswered: Arc<Unanswered>,
    pub(crate) budgets: Budgets,
    /// What messages of sockets may take.
    pub(crate) messages: Arc<MessageBounds>,
    pub(crate) relief: Arc<Relief>,
    /// Requests of a user over REST that await their answer.
    pub(crate) posts: Arc<Shares<UserId>>,
    pub(crate) presence_link: PresenceLink,
    pub(crate) balance: Arc<Balance>,
    pub(crate) heads: HeadsLink,
    /// Of the message store.
    pub(crate) epoch: Arc<Epoch>,
    pub(crate) chat: ChatClient<GrpcChannel>,
    pub(crate) dead_letters: DeadLettersClient<GrpcChannel>,
    pub(crate) overview: OverviewClient<GrpcChannel>,
    pub(crate) presence: PresenceClient<GrpcChannel>,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) tracer: Tracer,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
    /// The tasks of sockets, which the HTTP library would leave to themselves.
    pub(crate) sockets: TaskTracker,
    /// Users whose profile was reported lately, with the hash of what was reported.
    pub(crate) profiles: quick_cache::sync::Cache<UserId, u64>,
}

impl std::ops::Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// A verified user with a name that may stand in keys.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) user_id: UserId,
    /// The device that the token names.
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) claims: Claims,
    /// By what it is known when it is to be kept out.
    pub(crate) credential: Credential,
    /// Rates do not apply where it speaks from.
    pub(crate) is_exempt: bool,
}

impl Parts {
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
        let identity = Identity { user_id, device_id, claims, credential, is_exempt: false };
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

    /// Tells the chat service what a token says of its user, unless it was told lately.
    pub(crate) fn report_profile(&self, identity: &Identity, connection: u64) {
        let claims = &identity.claims;
        let (name, avatar) = (
            claims.name.as_deref().unwrap_or_default(),
            claims.avatar.as_deref().unwrap_or_default(),
        );
        let hash =
            proto::hash::Fnv1a::default().field(name.as_bytes()).field(avatar.as_bytes()).finish();
        if self.profiles.get(&identity.user_id) == Some(hash) {
            return;
        }
        let frame = Frame {
            origin: Some(identity.origin(connection, "", DeviceType::Unspecified)),
            traceparent: String::new(),
            body: Some(Body::Profile(proto::bus::Profile {})),
        };
        if self.uplink.profile(&identity.user_id, frame).is_ok() {
            self.profiles.insert(identity.user_id.clone(), hash);
        }
    }
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

    /// Whether the token is an operator's.
    pub(crate) fn has_role_admin(&self) -> bool {
        self.claims.roles.iter().any(|role| role == "admin")
    }

    /// As frames carry it.
    pub(crate) fn origin(
        &self,
        connection: u64,
        device_id: &str,
        device_type: DeviceType,
    ) -> Origin {
        Origin {
            connection,
            user_id: self.user_id.to_string(),
            device_id: device_id.to_owned(),
            device_type: device_type as i32,
            name: self.claims.name.clone().unwrap_or_default(),
            avatar: self.claims.avatar.clone().unwrap_or_default(),
            admin: self.has_role_admin(),
        }
    }
}

/// Now, in Unix milliseconds.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
