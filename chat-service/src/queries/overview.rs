//! What this replica knows of itself and its like, for operators. Asks no database, so that it answers while that is
//! away; and the bus for at most a second.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Lane};
use platform::readiness::{Cause, Readiness};
use proto::chat::overview_server::Overview;
use proto::chat::{OverviewReply, OverviewRequest, PartitionDepth};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use crate::partitions::balance::Balance;

/// How long the bus may take to say what waits.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct OverviewDesk {
    bus: Arc<dyn Bus>,
    balance: Balance,
    readiness: Readiness,
}

impl OverviewDesk {
    /// Tells what these know.
    pub(crate) fn new(bus: Arc<dyn Bus>, balance: Balance, readiness: Readiness) -> Self {
        Self { bus, balance, readiness }
    }

    /// Of all partitions; none when the bus does not say.
    async fn depths(&self) -> Vec<PartitionDepth> {
        let partitions: Vec<_> = (0..self.bus.partitions()).collect();
        match timeout(PATIENCE, self.bus.depths(Lane::Chat, &partitions)).await {
            Ok(Ok(depths)) => partitions
                .into_iter()
                .zip(depths)
                .map(|(it, batches)| PartitionDepth { partition: u32::from(it), batches })
                .collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

#[tonic::async_trait]
impl Overview for OverviewDesk {
    async fn show(
        &self,
        _request: Request<OverviewRequest>,
    ) -> Result<Response<OverviewReply>, Status> {
        let missing = self.readiness.report().labels;
        Ok(Response::new(OverviewReply {
            replicas: self.balance.replicas(),
            database: !missing.contains(&Cause::Database),
            bus: !missing.contains(&Cause::Bus),
            depths: self.depths().await,
        }))
    }
}
