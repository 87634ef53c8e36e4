//! Logs to stderr, and spans over OTLP where an endpoint is configured.

pub mod last_error;

use std::io::IsTerminal;

use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::trace::Tracer;
use last_error::Remember;

/// Libraries that would flood the log; the configured filter may ask for more.
const QUIET: &str =
    "lapin=warn,h2=warn,hyper=warn,hyper_util=warn,tower=warn,sqlx=warn,opentelemetry=warn";
/// Prints each returned message with its body: nobody may ask for that.
const NEVER: &str = "lapin::returned_messages=off";

/// What is logged and traced.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Log levels by module, such as `info` or `info,gateway=debug`.
    pub log_filter: String,
    /// Format of the log: `text` for people, `json` for collectors.
    pub log_format: LogFormat,
    /// Address to which spans are exported (OTLP over gRPC), such as `http://127.0.0.1:4317`; no export when not set.
    pub otlp_endpoint: Option<String>,
    /// Part of the messages that is traced, from 0.0 to 1.0.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_filter: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
            sample_ratio: 0.01,
        }
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Why telemetry cannot start: a mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("telemetry.log_filter is not a filter")]
    Filter(#[from] ParseError),
    /// The endpoint is not one.
    #[error("telemetry.otlp_endpoint is not like http://host:4317")]
    Endpoint(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The ratio is not one.
    #[error("telemetry.sample_ratio: {0} is not from 0.0 to 1.0")]
    Ratio(f64),
}

/// Running telemetry. Flush it at the end.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// The section, checked. Nothing is logged or sent yet.
#[derive(Debug)]
pub struct PreparedTelemetry {
    filter: EnvFilter,
    log_format: LogFormat,
    exporter: Option<SpanExporter>,
    sample_ratio: f64,
}

impl TelemetryConfig {
    /// Checks the section; connects to nothing. Call it inside the runtime: the exporter needs one.
    pub fn prepare(&self) -> Result<PreparedTelemetry, Vec<TelemetryError>> {
        let mut wrong = Vec::new();
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            wrong.push(TelemetryError::Ratio(self.sample_ratio));
        }
        let filter = filter(&self.log_filter).map_err(|error| wrong.push(error.into()));
        let exporter = self.otlp_endpoint.as_deref().map(exporter).transpose();
        let exporter = exporter.map_err(|error| wrong.push(error.into()));
        match (filter, exporter) {
            (Ok(filter), Ok(exporter)) if wrong.is_empty() => Ok(PreparedTelemetry {
                filter,
                log_format: self.log_format,
                exporter,
                sample_ratio: self.sample_ratio,
            }),
            _ => Err(wrong),
        }
    }
}

impl PreparedTelemetry {
    /// Starts telemetry. Call it inside the runtime.
    pub fn start(self, service: &'static str) -> Telemetry {
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(self.filter).with_writer(std::io::stderr);
        // An error means that another part of this process has set one: a test, or the all-in-one binary.
        let _ = match self.log_format {
            LogFormat::Text => subscriber
                .with_ansi(std::io::stderr().is_terminal())
                .finish()
                .with(Remember)
                .try_init(),
            LogFormat::Json => {
                subscriber.json().flatten_event(true).finish().with(Remember).try_init()
            }
        };
        let ratio = self.sample_ratio;
        Telemetry { provider: self.exporter.map(|exporter| provider(exporter, ratio, service)) }
    }
}

/// What comes later wins over what comes earlier.
fn filter(configured: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{configured},{NEVER}"))
}

fn exporter(endpoint: &str) -> Result<SpanExporter, opentelemetry_otlp::ExporterBuildError> {
    SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()
}

fn provider(exporter: SpanExporter, ratio: f64, service: &'static str) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        // Decided once at the socket: a later process follows its parent.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .with_resource(Resource::builder().with_service_name(service).build())
        .with_batch_exporter(exporter)
        .build()
}

impl Telemetry {
    /// Makes spans for messages.
    pub fn tracer(&self) -> Tracer {
        self.provider.as_ref().map_or_else(Tracer::disabled, Tracer::new)
    }

    /// Sends what is still buffered.
    pub async fn flush(self) {
        if let Some(provider) = self.provider {
            // Blocks on its own thread: on a runtime worker it could wait for itself.
            let done = tokio::task::spawn_blocking(move || provider.shutdown()).await;
            if !matches!(done, Ok(Ok(()))) {
                tracing::warn!("the last spans could not be exported");
            }
        }
    }
}

/// What a piece of code logs, for tests.
#[cfg(test)]
pub(crate) mod captured {
    use super::filter;
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// To be kept beside the subscriber of one thread. With one dispatcher alone, a place that logs asks only the thread
    /// that comes there first whether anybody listens, and the answer is remembered for all threads (tracing-core,
    /// `Rebuilder::JustOne`).
    pub(crate) fn second_dispatcher() -> tracing::Dispatch {
        tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default())
    }

    pub(crate) fn log(configured: &str, code: impl FnOnce()) -> String {
        let _second = second_dispatcher();
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter(configured).unwrap())
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, code);
        let bytes = lines.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(configured: &str) -> String {
        captured::log(configured, || {
            tracing::warn!(target: "lapin::returned_messages", "a message body");
            tracing::info!(target: "lapin::channel", "library detail");
            tracing::info!("of our own");
        })
    }

    #[test]
    fn returned_messages_are_never_logged_whatever_is_asked_for() {
        for configured in ["info", "trace", "lapin=trace", "lapin::returned_messages=trace"] {
            let text = logged(configured);
            assert!(!text.contains("a message body"), "{configured}: {text}");
        }
    }

    #[test]
    fn libraries_are_quiet_unless_asked() {
        let text = logged("info");
        assert!(text.contains("of our own") && !text.contains("library detail"), "{text}");
        assert!(logged("info,lapin=info").contains("library detail"));
        assert!(!logged("warn").contains("of our own"));
    }

    #[tokio::test]
    async fn mistakes_name_their_key() {
        let mistakes = [
            (TelemetryConfig { log_filter: "a=b=c".into(), ..Default::default() }, "log_filter"),
            (TelemetryConfig { sample_ratio: 1.5, ..Default::default() }, "sample_ratio"),
            (
                TelemetryConfig { otlp_endpoint: Some("not a url".into()), ..Default::default() },
                "otlp_endpoint",
            ),
        ];
        for (config, key) in mistakes {
            let wrong = config.prepare().unwrap_err();
            let [only] = wrong.as_slice() else { panic!("{wrong:?}") };
            assert!(only.to_string().contains(key), "{key}: {only}");
        }
    }
}
