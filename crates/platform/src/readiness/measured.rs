//! Readiness as metrics, read at each scrape.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Cause, Readiness};

impl Collector for Readiness {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let (report, serving) = (self.report(), self.serving());
        let ready = ConstGauge::new(i64::from(report.ready));
        let help = "Whether the process is ready.";
        ready.encode(to.encode_descriptor("tidings_ready", help, None, ready.metric_type())?)?;
        let help = "Whether load balancers should send clients to the process.";
        let serves = ConstGauge::new(i64::from(serving.ready));
        serves.encode(to.encode_descriptor(
            "tidings_serving",
            help,
            None,
            ready.metric_type(),
        )?)?;
        let help = "Whether the process is not ready, or does not serve, for this cause.";
        let kind = ready.metric_type();
        let mut causes = to.encode_descriptor("tidings_not_ready", help, None, kind)?;
        for cause in Cause::ALL {
            let labels = [("cause", cause.as_str())];
            let holds = report.labels.contains(&cause) || serving.labels.contains(&cause);
            let value = ConstGauge::new(i64::from(holds));
            value.encode(causes.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
