//! Readiness as metrics, read at each scrape.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Cause, Readiness};

impl Collector for Readiness {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let report = self.report();
        let ready = ConstGauge::new(i64::from(report.ready));
        let help = "Whether the process is ready.";
        ready.encode(to.encode_descriptor("tidings_ready", help, None, ready.metric_type())?)?;
        let help = "Whether the process is not ready for this cause.";
        let kind = ready.metric_type();
        let mut causes = to.encode_descriptor("tidings_not_ready", help, None, kind)?;
        for cause in Cause::ALL {
            let labels = [("cause", cause.as_str())];
            let value = ConstGauge::new(i64::from(report.labels.contains(&cause)));
            value.encode(causes.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
