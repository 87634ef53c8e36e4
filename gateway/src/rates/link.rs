//! A user's rates hold over all gateways: what heavy users were granted here is told to presence, which answers what
//! they have used up everywhere. While it is away each gateway goes by what it granted itself.
//!
//! A call without an answer is not repeated, because it may have been counted: at worst a user is granted once more
//! what was granted in that time.

use std::sync::Arc;
use std::time::Duration;

use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::presence::presence_client::PresenceClient;
use proto::presence::{SpendRequest, UserSpending};

use crate::metrics::GatewayMetrics;
use crate::rates::{Rates, Untold};

/// Users of one call.
const CHUNK: usize = 500;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(1);

pub(crate) struct RateLink {
    pub(crate) client: PresenceClient<GrpcChannel>,
    pub(crate) rates: Arc<Rates>,
    /// From one call to the next; zero: nothing is told.
    pub(crate) every: Duration,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) shutdown: Shutdown,
}

impl RateLink {
    /// Tells until the end.
    pub(crate) async fn run(self) {
        if self.every.is_zero() {
            return;
        }
        let mut tick = tokio::time::interval(self.every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.shutdown.forced() => return,
            }
            tokio::select! {
                () = self.tell() => {}
                () = self.shutdown.forced() => return,
            }
        }
    }

    async fn tell(&self) {
        let (untold, left_out) = self.rates.take_untold();
        self.metrics.rates_left_out.inc_by(left_out);
        for users in untold.chunks(CHUNK) {
            match self.call(users).await {
                Ok(used) => {
                    self.metrics.rates_told.inc_by(users.len() as u64);
                    for (user, used) in users.iter().zip(used) {
                        self.rates.learn(user, &used.micros);
                    }
                }
                Err(reason) => {
                    // What waits behind it would be old when it is told.
                    self.metrics.rate_failures.inc();
                    tracing::debug!(reason, "what users spend here is not told");
                    return;
                }
            }
        }
    }

    async fn call(&self, users: &[Untold]) -> Result<Vec<UserSpending>, String> {
        let spending = |user: &Untold| UserSpending {
            user_id: user.user_id.to_string(),
            micros: user.micros.to_vec(),
        };
        let request = SpendRequest {
            time_ms: u64::try_from(self.rates.time().as_millis()).unwrap_or(u64::MAX),
            users: users.iter().map(spending).collect(),
        };
        match tokio::time::timeout(CALL, self.client.clone().spend(request)).await {
            Ok(Ok(reply)) => Ok(reply.into_inner().users),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_elapsed) => Err(format!("no answer within {CALL:?}")),
        }
    }
}
