//! The section `[monitor]`: how often, beyond which thresholds, and where to.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use super::rules::Bounds;
use crate::address::{Address, AddressError};
use crate::metrics::watch::Rule;
use crate::secret::Secret;

/// When this process says how it is, and to whom. A threshold of 0 raises no alert.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorConfig {
    /// Interval at which the figures of the process are checked and logged, in milliseconds; 0: never.
    pub every_ms: u64,
    /// Number of consecutive bad samples after which an alert is raised.
    pub raise_after: u32,
    /// Number of consecutive good samples after which an alert is cleared.
    pub clear_after: u32,
    /// A sample is good below this part of its threshold, in percent; values in between neither raise nor clear an
    /// alert.
    pub clear_percent: f64,
    /// Threshold for client connections, in percent of those that the gateway can hold.
    pub connections_percent: f64,
    /// Threshold for requests answered with `unavailable` or `internal`, in percent of all requests of the interval.
    pub errors_percent: f64,
    /// Threshold for the mean time from a request to its answer, in milliseconds.
    pub latency_ms: u64,
    /// Threshold for batches waiting in the queue of one partition.
    pub queue_batches: u64,
    /// Threshold for the age of the oldest frame of a batch in work, in milliseconds.
    pub oldest_ms: u64,
    /// Minimum number of requests in an interval for computing an error rate or a mean time.
    pub least_requests: u64,
    /// Address to which alerts are posted as JSON, besides the log: `https://…`; empty for none. It may contain a
    /// secret and is never printed. Redirects are not followed, and proxies of the environment are not used.
    pub url: Secret,
    /// File with that address, in place of `url`. Read again within 10 s of a change.
    pub url_file: Option<PathBuf>,
    /// Maximum time of a post, in milliseconds.
    pub post_timeout_ms: u64,
    /// Maximum number of attempts to post an alert, with pauses of 1 s, 2 s and so on up to 10 s. An alert that is
    /// refused with a status from 300 to 499 is not posted again.
    pub attempts: u32,
    /// Maximum number of alerts waiting to be posted; further ones are only logged and counted.
    pub queue_alerts: usize,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            every_ms: 60_000,
            raise_after: 3,
            clear_after: 3,
            clear_percent: 80.0,
            connections_percent: 80.0,
            errors_percent: 1.0,
            latency_ms: 1_000,
            queue_batches: 500,
            oldest_ms: 5_000,
            least_requests: 20,
            url: Secret::default(),
            url_file: None,
            post_timeout_ms: 5_000,
            attempts: 5,
            queue_alerts: 64,
        }
    }
}

/// What is wrong with the section.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Not a part of a whole.
    #[error("monitor.{key}: {value} is not from {least} to 100")]
    Percent {
        /// The key.
        key: &'static str,
        /// What it may be at least.
        least: f64,
        /// Its value.
        value: f64,
    },
    /// Nothing can be posted from this machine.
    #[error("monitor: alerts cannot be posted")]
    Client(#[source] reqwest::Error),
}

/// The section, checked. Nothing is watched or posted yet.
#[derive(Debug)]
pub struct PreparedMonitor {
    pub(super) config: MonitorConfig,
    pub(super) post: Option<(Address, Client)>,
}

impl MonitorConfig {
    /// Checks the section; connects to nothing.
    pub fn prepare(&self) -> Result<PreparedMonitor, Vec<MonitorError>> {
        let mut wrong = Vec::new();
        for (key, value, least) in [
            // Below nothing there is nothing: no alert would ever be cleared.
            ("clear_percent", self.clear_percent, 1.0),
            ("connections_percent", self.connections_percent, 0.0),
            ("errors_percent", self.errors_percent, 0.0),
        ] {
            if !(least..=100.0).contains(&value) {
                wrong.push(MonitorError::Percent { key, least, value });
            }
        }
        let post = self.post().map_err(|error| wrong.push(error));
        match post {
            Ok(post) if wrong.is_empty() => Ok(PreparedMonitor { config: self.clone(), post }),
            _ => Err(wrong),
        }
    }

    fn post(&self) -> Result<Option<(Address, Client)>, MonitorError> {
        if self.url.is_empty() && self.url_file.is_none() {
            return Ok(None);
        }
        let file = self.url_file.as_deref();
        let address = Address::open("monitor", self.url.expose(), file, check_url)?;
        let client = Client::builder()
            .timeout(Duration::from_millis(self.post_timeout_ms.max(1)))
            .redirect(Policy::none())
            // The environment is read by the configuration alone.
            .no_proxy()
            // Alerts are hours apart: nothing is kept open for the next one.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(MonitorError::Client)?;
        Ok(Some((address, client)))
    }

    /// The bounds of a rule; none where it is off.
    pub(super) fn bounds(&self, rule: Rule) -> Option<Bounds> {
        let above = match rule {
            Rule::Connections => self.connections_percent / 100.0,
            Rule::Errors => self.errors_percent / 100.0,
            Rule::Latency => self.latency_ms as f64 / 1_000.0,
            Rule::Depth => self.queue_batches as f64,
            Rule::Age => self.oldest_ms as f64 / 1_000.0,
            Rule::Users(users) => f64::from(users),
            // One thing missing is bad, and only nothing is good.
            Rule::NotReady => 0.5,
        };
        (above > 0.0).then_some(Bounds {
            above,
            below: above * self.clear_percent / 100.0,
            raise_after: self.raise_after,
            clear_after: self.clear_after,
        })
    }
}

/// Whether a text is an address to post to.
fn check_url(url: &str) -> Result<(), String> {
    let is_one = url.parse::<Url>().is_ok_and(|it| {
        matches!(it.scheme(), "http" | "https") && it.host_str().is_some_and(|it| !it.is_empty())
    });
    if is_one { Ok(()) } else { Err("not like https://host/path".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(config: &MonitorConfig) -> String {
        config.prepare().unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn mistakes_name_their_key_and_never_the_address() {
        let config = MonitorConfig {
            errors_percent: 101.0,
            clear_percent: 0.0,
            url: Secret::new("ftp://h/hunter2"),
            ..MonitorConfig::default()
        };
        assert_eq!(
            wrong(&config),
            "monitor.clear_percent: 0 is not from 1 to 100|\
             monitor.errors_percent: 101 is not from 0 to 100|\
             monitor.url: not like https://host/path"
        );
        for url in ["hunter2", "https://", "mailto:a@b"] {
            let config = MonitorConfig { url: Secret::new(url), ..MonitorConfig::default() };
            assert_eq!(wrong(&config), "monitor.url: not like https://host/path", "{url}");
        }
    }

    #[test]
    fn an_address_is_read_from_its_file_and_is_in_no_printed_text() {
        crate::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        let config = MonitorConfig { url_file: Some(file.clone()), ..MonitorConfig::default() };
        assert!(wrong(&config).starts_with("monitor.url_file: cannot read "));
        std::fs::write(&file, "https://hooks.example/hunter2\n").unwrap();
        let prepared = config.prepare().unwrap();
        let (address, _) = prepared.post.as_ref().unwrap();
        assert_eq!(address.last_good().expose(), "https://hooks.example/hunter2");
        assert!(!format!("{prepared:?}").contains("hunter2"));
        let config = MonitorConfig { url: Secret::new("http://h/hunter2"), ..config };
        assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
        assert!(MonitorConfig::default().prepare().unwrap().post.is_none(), "off unless asked for");
    }

    #[test]
    fn a_threshold_of_0_is_no_rule() {
        let config = MonitorConfig { latency_ms: 0, ..MonitorConfig::default() };
        assert_eq!(config.bounds(Rule::Latency), None);
        let bounds = config.bounds(Rule::Connections).unwrap();
        assert!((bounds.above - 0.8).abs() < 1e-9 && (bounds.below - 0.64).abs() < 1e-9);
    }
}
