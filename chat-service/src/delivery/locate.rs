//! Where users are connected: the port to presence, and its gRPC adapter.
//!
//! Never cached and never asked before the commit: see step 5 of the walk of one message in ARCHITECTURE.md.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use platform::grpc::GrpcChannel;
use proto::common::{DeviceType, GatewayRef};
use proto::id::UserId;
use proto::presence::presence_client::PresenceClient;
use proto::presence::{GatewaysRequest, LocateRequest};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Index into [`Located::gateways`].
    pub gateway: usize,
    /// The connection there.
    pub connection: u64,
    pub device_type: DeviceType,
}

/// The answer for a set of users.
#[derive(Debug, Clone, Default)]
pub struct Located {
    /// The gateways named by devices.
    pub gateways: Vec<GatewayRef>,
    /// Of each user who is connected.
    pub devices: HashMap<UserId, Vec<Device>>,
}

/// Presence did not answer in time: entries wait for the next sync.
#[derive(Debug, thiserror::Error)]
#[error("presence does not answer: {0}")]
pub struct DirectoryError(pub String);

/// Where users are connected.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Looks users up now. Never takes longer than its deadline; users without devices are absent.
    async fn locate(&self, users: &[UserId], traceparent: &str) -> Result<Located, DirectoryError>;

    /// Every gateway now, for what goes to large conversations. The same deadline.
    async fn gateways(&self, traceparent: &str) -> Result<Vec<GatewayRef>, DirectoryError>;
}

/// Asks the presence service.
#[derive(Debug, Clone)]
pub(crate) struct GrpcDirectory {
    client: PresenceClient<GrpcChannel>,
    timeout: Duration,
    /// Users of one call.
    chunk: usize,
}

impl GrpcDirectory {
    /// Asks over a channel.
    pub(crate) fn new(channel: GrpcChannel, timeout: Duration, chunk: usize) -> Self {
        let client = PresenceClient::new(channel).max_decoding_message_size(MAX_REPLY_BYTES);
        Self { client, timeout, chunk: chunk.max(1) }
    }
}

/// 2,000 users with a dozen devices each stay far below it.
const MAX_REPLY_BYTES: usize = 16 << 20;

#[async_trait]
impl Directory for GrpcDirectory {
    async fn locate(&self, users: &[UserId], traceparent: &str) -> Result<Located, DirectoryError> {
        let mut located = Located::default();
        for chunk in users.chunks(self.chunk) {
            let user_ids = chunk.iter().map(ToString::to_string).collect();
            let mut request = tonic::Request::new(LocateRequest { user_ids });
            request.set_timeout(self.timeout);
            platform::trace::inject(traceparent, request.metadata_mut());
            let mut client = self.client.clone();
            let reply = tokio::time::timeout(self.timeout, client.locate(request))
                .await
                .map_err(|_| DirectoryError(format!("nothing within {:?}", self.timeout)))?
                .map_err(|status| DirectoryError(status.to_string()))?
                .into_inner();
            take(&mut located, chunk, reply);
        }
        Ok(located)
    }

    async fn gateways(&self, traceparent: &str) -> Result<Vec<GatewayRef>, DirectoryError> {
        let mut request = tonic::Request::new(GatewaysRequest {});
        request.set_timeout(self.timeout);
        platform::trace::inject(traceparent, request.metadata_mut());
        let mut client = self.client.clone();
        let reply = tokio::time::timeout(self.timeout, client.gateways(request))
            .await
            .map_err(|_| DirectoryError(format!("nothing within {:?}", self.timeout)))?
            .map_err(|status| DirectoryError(status.to_string()))?;
        Ok(reply.into_inner().gateways)
    }
}

/// Reads the columns. Columns that do not fit together end the reading, never the process.
fn take(located: &mut Located, users: &[UserId], reply: proto::presence::LocateReply) {
    let first = located.gateways.len();
    located.gateways.extend(reply.gateways);
    let mut columns = reply.gateway_indexes.iter().zip(&reply.connections).zip(&reply.device_types);
    for (user, count) in users.iter().zip(reply.device_counts) {
        let devices: Vec<Device> = columns
            .by_ref()
            .take(count as usize)
            .filter(|((gateway, _), _)| first + (**gateway as usize) < located.gateways.len())
            .map(|((gateway, connection), device_type)| Device {
                gateway: first + *gateway as usize,
                connection: *connection,
                device_type: DeviceType::try_from(*device_type).unwrap_or_default(),
            })
            .collect();
        if !devices.is_empty() {
            located.devices.entry(user.clone()).or_default().extend(devices);
        }
    }
}
