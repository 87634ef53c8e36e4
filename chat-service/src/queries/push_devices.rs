//! Devices that are told of messages while they are not connected, and for operators the pushes that were given up.

use std::sync::Arc;

use proto::chat::push_devices_server::PushDevices;
use proto::chat::{
    DeadPush as DeadProto, DropPushDeviceReply, DropPushDeviceRequest, ListDeadPushesReply,
    ListDeadPushesRequest, ListPushDevicesReply, ListPushDevicesRequest, PushDevice as DeviceProto,
};
use proto::id::DeviceId;
use push::Provider;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::cursor;
use super::errors::failed;
use super::request::{tenant, text, user};
use crate::clock::now_ms;
use crate::push::PreparedPush;
use crate::store::ChatStore;
use crate::store::push::{DeadPush, PushContent, PushDevice};

/// Longest token that is read, whichever provider it is of.
const TOKEN_BYTES: usize = 4_096;
/// Given-up pushes of one page.
const MAX_DEAD: u32 = 200;

pub(crate) struct PushDesk {
    store: Arc<dyn ChatStore>,
    push: Arc<PreparedPush>,
}

impl PushDesk {
    /// Keeps devices of the providers that are on.
    pub(crate) fn new(store: Arc<dyn ChatStore>, push: Arc<PreparedPush>) -> Self {
        Self { store, push }
    }

    fn device(&self, request: &DeviceProto) -> Result<PushDevice, Status> {
        let providers = &self.push.prepared.providers;
        let provider = Provider::named(&request.provider)
            .and_then(|it| providers.get(it))
            .ok_or_else(|| Status::invalid_argument(self.no_provider()))?;
        if request.token.len() > TOKEN_BYTES {
            return Err(Status::invalid_argument("`token` has at most 4,096 bytes"));
        }
        let token = provider
            .token(&request.token)
            .map_err(|error| Status::invalid_argument(format!("`token`: {error}")))?;
        let digest = Sha256::digest(provider.identity(&token).as_bytes());
        let token_sha256 = crate::operations::set::hex(&digest);
        Ok(PushDevice {
            user_id: user(&request.user_id)?,
            device_id: device_id(&request.device_id)?,
            provider: provider.provider(),
            token,
            token_sha256,
            app: text("app", &request.app)?.to_owned(),
            locale: text("locale", &request.locale)?.to_owned(),
            content: content(&request.content)?,
            seen_at_ms: now_ms(),
        })
    }

    fn no_provider(&self) -> String {
        let names: Vec<_> =
            self.push.prepared.providers.iter().map(|it| it.provider().name()).collect();
        match names.as_slice() {
            [] => "this server pushes nothing: no provider is on".to_owned(),
            names => format!("`provider` is one that is on here: {}", names.join(", ")),
        }
    }
}

#[tonic::async_trait]
impl PushDevices for PushDesk {
    async fn keep_push_device(
        &self,
        request: Request<DeviceProto>,
    ) -> Result<Response<DeviceProto>, Status> {
        let device = self.device(&request.into_inner())?;
        let most = self.push.config.devices_per_user;
        let kept = match self.store.keep_push_device(&device, most).await {
            // Somebody registered the same token in the same instant: now it is there to be taken over.
            Err(error) if error.is_taken() => self.store.keep_push_device(&device, most).await,
            kept => kept,
        };
        kept.map_err(failed)?;
        Ok(Response::new(shown(device)))
    }

    async fn list_push_devices(
        &self,
        request: Request<ListPushDevicesRequest>,
    ) -> Result<Response<ListPushDevicesReply>, Status> {
        let user_id = user(&request.into_inner().user_id)?;
        let devices = self.store.push_devices(&[user_id]).await.map_err(failed)?;
        let prepared = &self.push.prepared;
        let names = prepared.providers.iter().map(|it| it.provider().name().to_owned());
        Ok(Response::new(ListPushDevicesReply {
            devices: devices.into_iter().map(shown).collect(),
            providers: names.collect(),
            web_push_key: prepared.web_push_key.clone().unwrap_or_default(),
            content: word(Some(self.push.config.content)),
        }))
    }

    async fn drop_push_device(
        &self,
        request: Request<DropPushDeviceRequest>,
    ) -> Result<Response<DropPushDeviceReply>, Status> {
        let request = request.into_inner();
        let (user_id, device_id) = (user(&request.user_id)?, device_id(&request.device_id)?);
        let found = self.store.drop_push_device(&user_id, Some(&device_id)).await;
        Ok(Response::new(DropPushDeviceReply { found: found.map_err(failed)? }))
    }

    async fn list_dead_pushes(
        &self,
        request: Request<ListDeadPushesRequest>,
    ) -> Result<Response<ListDeadPushesReply>, Status> {
        let request = request.into_inner();
        let tenant = tenant(&request.tenant)?;
        let limit = request.limit.clamp(1, MAX_DEAD);
        let before = match cursor::letter(&request.after)? {
            None => None,
            Some((at_ms, id)) => {
                let id = Uuid::try_parse(&id)
                    .map_err(|_| Status::invalid_argument("`after` is of another list"))?;
                Some((at_ms, id))
            }
        };
        let mut found = self.store.dead_pushes(tenant, before, limit + 1).await.map_err(failed)?;
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| is_more);
        let next = last.map(|last| cursor::of_letter(last.at_ms, &last.id.to_string()));
        let pushes = found.into_iter().map(dead).collect();
        Ok(Response::new(ListDeadPushesReply { pushes, next: next.unwrap_or_default() }))
    }
}

fn device_id(text: &str) -> Result<DeviceId, Status> {
    DeviceId::parse(text).map_err(|error| Status::invalid_argument(format!("device id: {error}")))
}

fn content(word: &str) -> Result<Option<PushContent>, Status> {
    match word {
        "" => Ok(None),
        "none" => Ok(Some(PushContent::None)),
        "sender" => Ok(Some(PushContent::Sender)),
        "full" => Ok(Some(PushContent::Full)),
        _ => Err(Status::invalid_argument("`content` is none, sender or full")),
    }
}

fn word(content: Option<PushContent>) -> String {
    content.map_or("", PushContent::name).to_owned()
}

/// Without its token, which nobody needs to read.
fn shown(device: PushDevice) -> DeviceProto {
    DeviceProto {
        user_id: device.user_id.to_string(),
        device_id: device.device_id.as_str().to_owned(),
        provider: device.provider.name().to_owned(),
        token: String::new(),
        app: device.app,
        locale: device.locale,
        content: word(device.content),
        seen_at_ms: device.seen_at_ms,
    }
}

fn dead(dead: DeadPush) -> DeadProto {
    DeadProto {
        id: dead.id.to_string(),
        user_id: dead.user_id.to_string(),
        device_id: dead.device_id.as_str().to_owned(),
        provider: dead.provider.name().to_owned(),
        conversation_id: dead.key.id.0.as_bytes().to_vec().into(),
        seq: dead.seq,
        attempts: dead.attempts,
        reason: dead.reason,
        at_ms: dead.at_ms,
    }
}
