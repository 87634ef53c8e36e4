//! How the broker is reached and what its queues are like.

use std::fmt;
use std::path::PathBuf;

use proto::partition::Partition;
use serde::{Deserialize, Serialize, Serializer};

/// The section `[amqp]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RabbitConfig {
    /// Address of the broker: `amqp://user:password@host:5672/vhost` or `amqps://…`.
    #[serde(serialize_with = "without_password")]
    pub url: String,
    /// File with the address, in place of `url`. Read again within 10 s of a change and before each connection, so that
    /// a new password needs no restart; while it is unusable the last good address is used.
    pub url_file: Option<PathBuf>,
    /// Certificate authorities for the broker's certificate, as PEM, in place of those of the system. Read again before
    /// each connection; while the file is unusable the last good ones are used. Needs an address with `amqps://`.
    pub ca_file: Option<PathBuf>,
    /// Prefix of the names of all exchanges and queues.
    pub prefix: String,
    /// Number of partitions for chat and for presence; the same in every process of an installation.
    pub partitions: Partition,
    /// Type of the queues: `classic`, or `quorum` on a cluster of at least three brokers.
    pub queue_type: QueueType,
    /// Maximum length of a partition's queue in batches; a full queue refuses.
    pub partition_batches: u32,
    /// Maximum length of a gateway's queue in batches; a full queue refuses.
    pub gateway_batches: u32,
    /// Maximum length of a gateway's urgent queue in batches; a full queue drops its oldest.
    pub gateway_urgent: u32,
    /// Maximum length of a gateway's broadcast queue; a full queue drops its oldest.
    pub gateway_broadcasts: u32,
    /// Publishes that may await their confirm at once; each uses a channel of its own.
    pub publish_window: usize,
    /// Maximum time that a publish may take, including the wait for a channel and for the confirm, in milliseconds.
    pub publish_timeout_ms: u64,
    /// AMQP heartbeat in seconds; an unresponsive peer is detected after two of them.
    pub heartbeat_secs: u16,
    /// Maximum time for opening a connection, or for one declaration on it, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest pause between connection attempts, in milliseconds. A queue that exists with other arguments is retried
    /// after ten times that.
    pub reconnect_max_ms: u64,
}

/// The kind of the partition queues. Gateway queues are always classic: they live as long as one
/// connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueType {
    /// On one node, without an fsync.
    Classic,
    /// Replicated: partitions go on when a broker node dies.
    Quorum,
}

impl Default for RabbitConfig {
    fn default() -> Self {
        Self {
            url: "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned(),
            url_file: None,
            ca_file: None,
            prefix: "tidings".to_owned(),
            partitions: 16,
            queue_type: QueueType::Classic,
            partition_batches: 10_000,
            gateway_batches: 10_000,
            gateway_urgent: 4_096,
            gateway_broadcasts: 64,
            publish_window: 8,
            publish_timeout_ms: 5_000,
            heartbeat_secs: 10,
            connect_timeout_ms: 5_000,
            reconnect_max_ms: 3_000,
        }
    }
}

/// Whether a text is the address of a broker, or what is wrong with it.
pub fn check_url(url: &str) -> Result<(), String> {
    let parsed = url.parse::<lapin::uri::AMQPUri>();
    parsed.map(|_| ()).map_err(|_| "not like amqp://user:password@host:5672/vhost".to_owned())
}

/// The same where the broker's certificate is checked by authorities of its own.
pub fn check_tls_url(url: &str) -> Result<(), String> {
    check_url(url)?;
    if url.starts_with("amqps://") {
        return Ok(());
    }
    Err("does not begin with amqps://, so nothing would ask for the authorities of amqp.ca_file"
        .to_owned())
}

impl RabbitConfig {
    /// What an address has to be like.
    pub fn url_check(&self) -> fn(&str) -> Result<(), String> {
        if self.ca_file.is_some() { check_tls_url } else { check_url }
    }

    /// Where the broker is, without user and password: for logs.
    pub fn place(&self) -> String {
        place(&self.url)
    }
}

impl fmt::Debug for RabbitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitConfig")
            .field("url", &self.place())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn place(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

fn without_password<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&place(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_found_before_anything_waits_for_it() {
        for url in ["nonsense", "", "http://h:1", "amqp://u:p@h:port/x"] {
            assert!(check_url(url).is_err(), "{url}");
        }
        for url in ["amqp://guest:guest@127.0.0.1:5672/%2f", "amqps://broker/chat"] {
            assert!(check_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn authorities_want_an_address_with_tls() {
        let config = RabbitConfig { ca_file: Some("/ca.crt".into()), ..RabbitConfig::default() };
        let check = config.url_check();
        assert!(check("amqps://broker/chat").is_ok());
        let refused = check("amqp://guest:hunter2@broker/chat").unwrap_err();
        assert!(refused.contains("amqp.ca_file") && !refused.contains("hunter2"), "{refused}");
        assert!(check("amqps://u:p@h:port/x").is_err());
        assert!(RabbitConfig::default().url_check()("amqp://broker/chat").is_ok());
    }

    #[test]
    fn the_password_is_never_printed() {
        let config = RabbitConfig {
            url: "amqp://ann:hunter2@broker:5672/chat".to_owned(),
            ..RabbitConfig::default()
        };
        assert_eq!(config.place(), "amqp://broker:5672/chat");
        let printed = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
