//! Sessions that are ended, and the tokens that devices use: stored, answered, then told to every gateway.

use std::sync::Arc;

use bus::Bus;
use bus::moments::Moments;
use platform::shutdown::Tasks;
use proto::bus::{Push, PushBatch, push::Body};
use proto::chat::revocations_server::Revocations;
use proto::chat::{
    DeviceToken as TokenProto, EndRequest, ListRevocationsRequest, NoteReply, NoteRequest,
    Revocation as RevocationProto, RevocationList, end_request, revocation,
};
use proto::id::{DeviceId, UserId};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::errors::failed;
use super::request::user;
use crate::clock::now_ms;
use crate::config::RevocationConfig;
use crate::delivery::locate::Directory;
use crate::domain::revocation::{Cut, DeviceToken, Revocation, TokenId, What};
use crate::events::EventType;
use crate::store::ChatStore;
use crate::store::revoked::{Bounds, Ending, RevokeError};

/// Rows of one page.
const PAGE: u32 = 5_000;
/// Tokens of one call.
const MAX_TOKENS: usize = 500;

#[derive(Clone)]
pub(crate) struct RevocationDesk {
    store: Arc<dyn ChatStore>,
    directory: Arc<dyn Directory>,
    bus: Arc<dyn Bus>,
    tasks: Tasks,
    config: RevocationConfig,
    moments: Moments,
}

impl RevocationDesk {
    /// Keeps what is revoked in a store, and tells the gateways of a directory over a bus.
    pub(crate) fn new(
        store: Arc<dyn ChatStore>,
        directory: Arc<dyn Directory>,
        bus: Arc<dyn Bus>,
        tasks: Tasks,
        config: RevocationConfig,
        moments: Moments,
    ) -> Self {
        Self { store, directory, bus, tasks, config, moments }
    }

    async fn end(
        &self,
        user_id: &UserId,
        ending: &Ending,
        cut: Cut,
        by: &str,
    ) -> Result<RevocationList, Status> {
        let bounds =
            Bounds { per_user: self.config.per_user.max(1), most: self.config.most.max(1) };
        let revoked = self.store.end(user_id, ending, cut, bounds, now_ms()).await;
        let revoked = revoked.map_err(|error| match error {
            RevokeError::UnknownDevice => Status::not_found("you have no such device"),
            RevokeError::Full => {
                tracing::error!("nothing more can be revoked: raise revocations.most");
                Status::unavailable("the list of revocations is full")
            }
            RevokeError::Store(error) => failed(error),
        })?;
        self.forget_push_devices(user_id, ending).await?;
        let list = RevocationList {
            revocations: revoked.into_iter().map(shown).collect(),
            version: 0,
            more: false,
        };
        if !list.revocations.is_empty() {
            let (this, list) = (self.clone(), list.clone());
            self.tasks.spawn("tell revocations", async move { this.tell(&list).await });
            let r#type = EventType::SessionRevoked.as_str();
            self.moments.tell(r#type, user_id.tenant(), || revoked_data(user_id, ending, by));
        }
        Ok(list)
    }

    /// A device whose session was ended is told of nothing any more, also while it is not connected.
    async fn forget_push_devices(&self, user_id: &UserId, ending: &Ending) -> Result<(), Status> {
        let device_id = match ending {
            Ending::What(What::All) => None,
            Ending::What(What::Device(device_id))
            | Ending::Device { device_id, .. }
            | Ending::SessionOf(device_id) => Some(device_id),
            Ending::What(What::Token(_)) => return Ok(()),
        };
        self.store.drop_push_device(user_id, device_id).await.map_err(failed)?;
        Ok(())
    }

    /// Tells every gateway that presence knows. The others ask.
    async fn tell(&self, list: &RevocationList) {
        let gateways = match self.directory.gateways("").await {
            Ok(gateways) => gateways,
            Err(error) => return tracing::debug!(%error, "gateways will ask what is revoked"),
        };
        let push = Push::from(Body::Revoked(list.clone()));
        for gateway in gateways {
            let batch = PushBatch { pushes: vec![push.clone()] };
            if let Err(error) = self.bus.publish_pushes(&gateway, batch).await {
                tracing::debug!(gateway.id, %error, "this gateway will ask what is revoked");
            }
        }
    }
}

#[tonic::async_trait]
impl Revocations for RevocationDesk {
    async fn end(&self, request: Request<EndRequest>) -> Result<Response<RevocationList>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let ending = match request.what {
            Some(end_request::What::All(_)) => Ending::What(What::All),
            Some(end_request::What::TokenId(id)) => Ending::What(What::Token(token_id(&id)?)),
            Some(end_request::What::DeviceId(id)) => {
                Ending::Device { device_id: device(&id)?, is_connected: request.is_connected }
            }
            Some(end_request::What::SessionOf(id)) => Ending::SessionOf(device(&id)?),
            None => return Err(Status::invalid_argument("say what is to be ended")),
        };
        let cut = Cut { issued_until_secs: request.issued_until_secs, until_ms: request.until_ms };
        Self::end(self, &user_id, &ending, cut, &request.by).await.map(Response::new)
    }

    async fn list(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<RevocationList>, Status> {
        let after = request.into_inner().after;
        let page = self.store.revoked_after(after, PAGE, now_ms()).await;
        let (revoked, version) = page.map_err(failed)?;
        let more = revoked.len() == PAGE as usize;
        let revocations = revoked.into_iter().map(shown).collect();
        Ok(Response::new(RevocationList { revocations, version, more }))
    }

    async fn note(&self, request: Request<NoteRequest>) -> Result<Response<NoteReply>, Status> {
        let tokens = request.into_inner().tokens;
        if tokens.is_empty() || tokens.len() > MAX_TOKENS {
            return Err(Status::invalid_argument("note 1 to 500 tokens at once"));
        }
        let tokens = tokens.iter().map(used).collect::<Result<Vec<_>, _>>()?;
        let per_user = self.config.tokens_per_user.max(1);
        let late = self.store.note_tokens(&tokens, per_user, now_ms()).await;
        for token in late.map_err(failed)? {
            let cut = Cut { issued_until_secs: token.issued_secs, until_ms: token.until_ms };
            let ending = Ending::What(What::Token(token.token_id));
            Self::end(self, &token.user_id, &ending, cut, "").await?;
        }
        Ok(Response::new(NoteReply {}))
    }
}

/// Says what was ended, whose, and who did it; a token is not named.
fn revoked_data(user_id: &UserId, ending: &Ending, by: &str) -> Value {
    let (what, device) = match ending {
        Ending::What(What::All) => ("all", None),
        Ending::What(What::Token(_)) => ("token", None),
        Ending::What(What::Device(device_id))
        | Ending::Device { device_id, .. }
        | Ending::SessionOf(device_id) => ("device", Some(device_id.to_string())),
    };
    json!({ "user": user_id.name_str(), "what": what, "device": device, "by": by })
}

fn device(text: &str) -> Result<DeviceId, Status> {
    DeviceId::parse(text).map_err(|error| Status::invalid_argument(format!("device id: {error}")))
}

fn token_id(bytes: &[u8]) -> Result<TokenId, Status> {
    TokenId::from_bytes(bytes).ok_or_else(|| Status::invalid_argument("a token id has 32 bytes"))
}

fn used(token: &TokenProto) -> Result<DeviceToken, Status> {
    Ok(DeviceToken {
        user_id: user(&token.user_id)?,
        device_id: device(&token.device_id)?,
        token_id: token_id(&token.token_id)?,
        issued_secs: token.issued_secs,
        until_ms: token.until_ms,
    })
}

fn shown(revoked: Revocation) -> RevocationProto {
    let what = match revoked.what {
        What::All => revocation::What::All(true),
        What::Device(device_id) => revocation::What::DeviceId(device_id.to_string()),
        What::Token(TokenId(bytes)) => revocation::What::TokenId(bytes.to_vec().into()),
    };
    RevocationProto {
        user_id: revoked.user_id.to_string(),
        what: Some(what),
        issued_until_secs: revoked.cut.issued_until_secs,
        until_ms: revoked.cut.until_ms,
    }
}
