//! How much waits in the queues of the partitions that this replica works on: asked of the bus at intervals, and shown for
//! as long as it works on them. Must not decide anything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Lane};
use platform::shutdown::Shutdown;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use proto::partition::Partition;

use super::balance::Balance;

/// Asks until stopping has begun.
pub(super) async fn run(bus: Arc<dyn Bus>, balance: Balance, every: Duration, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.begun() => return,
        }
        // A question may be dropped half-way.
        tokio::select! {
            () = ask(bus.as_ref(), &balance) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn ask(bus: &dyn Bus, balance: &Balance) {
    let held = balance.held();
    if held.is_empty() {
        return;
    }
    let partitions: Vec<Partition> = held.iter().map(|(partition, _)| *partition).collect();
    let depths = bus.depths(Lane::Chat, &partitions).await;
    if let Err(error) = &depths {
        tracing::debug!(%error, "what waits in the partitions is not known");
    }
    let depths = depths.unwrap_or_default();
    for (index, (partition, since)) in held.into_iter().enumerate() {
        balance.note_depth(partition, since, depths.get(index).copied());
    }
}

/// The metric, read from the balance at each scrape: a partition that was lost is not in it.
#[derive(Debug)]
pub(crate) struct Depths(pub(crate) Balance);

impl Collector for Depths {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0_i64).metric_type();
        let help = "Batches that wait in the queues of the partitions that this replica works on.";
        let mut depths = to.encode_descriptor("tidings_chat_partition_depth", help, None, kind)?;
        for (partition, depth) in self.0.depths() {
            let value = ConstGauge::new(i64::try_from(depth).unwrap_or(i64::MAX));
            value.encode(depths.encode_family(&[("partition", u32::from(partition))])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bus::in_process::{InProcessBus, InProcessConfig};
    use platform::metrics::Metrics;
    use proto::bus::FrameBatch;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_shown_while_it_is_known_and_the_partition_is_held() {
        let bus = InProcessBus::new(InProcessConfig::default());
        let (balance, metrics) = (Balance::new(bus.partitions()), Metrics::new());
        metrics.register(|it| it.register_collector(Box::new(Depths(balance.clone()))));
        let shown = || {
            let text = metrics.encode();
            let lines = text.lines().filter(|it| it.starts_with("tidings_chat_partition_depth"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        for partition in [2, 3, 3] {
            bus.publish_frames(Lane::Chat, partition, FrameBatch::default()).await.unwrap();
        }
        let seat = balance.seat(3);
        let hold = seat.hold();
        assert_eq!(shown(), [""; 0]);
        ask(&bus, &balance).await;
        assert_eq!(shown(), ["tidings_chat_partition_depth{partition=\"3\"} 2"]);
        drop(hold);
        assert_eq!(shown(), [""; 0], "another replica tells it");
        let _hold = seat.hold();
        ask(&bus, &balance).await;
        assert_eq!(shown().len(), 1);
        bus.close().await;
        ask(&bus, &balance).await;
        assert_eq!(shown(), [""; 0], "what was is not what is");
    }
}
