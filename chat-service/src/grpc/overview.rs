//! What this replica knows of itself and its like, for operators. From memory: asks no database, so that it answers
//! while that is away.

use platform::readiness::{Cause, Readiness};
use proto::chat::overview_server::Overview;
use proto::chat::{OverviewReply, OverviewRequest};
use tonic::{Request, Response, Status};

use crate::balance::Balance;

/// The gRPC service.
pub struct OverviewDesk {
    balance: Balance,
    readiness: Readiness,
}

impl OverviewDesk {
    /// Tells what these know.
    pub fn new(balance: Balance, readiness: Readiness) -> Self {
        Self { balance, readiness }
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
        }))
    }
}
