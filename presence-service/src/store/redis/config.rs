//! How Redis is reached.

use std::fmt;
use std::path::PathBuf;

use platform::address::AddressError;
use platform::backend::Backend;
use serde::{Deserialize, Serialize, Serializer};

/// The section `[redis]`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Address of Redis: `redis://user:password@host:6379/0` or `rediss://…`.
    #[serde(serialize_with = "without_password")]
    pub url: String,
    /// File with the address, in place of `url`. Read again within 10 s of a change and before each connection, so that
    /// a new password needs no restart; while it is unusable the last good address is used.
    pub url_file: Option<PathBuf>,
    /// Certificate authorities for the certificate of Redis, as PEM, in place of those of the system. Read again before
    /// each connection; while the file is unusable the last good ones are used. Needs an address with `rediss://`.
    pub ca_file: Option<PathBuf>,
    /// Prefix of every key.
    pub prefix: String,
    /// Maximum time for opening a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Maximum time of an answer, in milliseconds.
    pub response_timeout_ms: u64,
    /// Interval of the liveness checks of an idle connection, in milliseconds.
    pub check_ms: u64,
    /// Longest pause between connection attempts, in milliseconds.
    pub reconnect_max_ms: u64,
    /// How long a read whose connection broke waits for the next connection, in milliseconds. Writes do not wait.
    pub read_retry_ms: u64,
    /// Maximum number of commands sent together; longer work is split.
    pub pipeline_commands: usize,
    /// Maximum number of users read by one command, because Redis does nothing else meanwhile.
    pub read_users: usize,
    /// Maximum number of commands that wait to be sent; further callers wait.
    pub queued_commands: usize,
    /// Maximum number of commands that await their answer; further callers wait.
    pub in_flight_commands: usize,
    /// Time that a replica has for a batch of users of a dead gateway before another replica may take it, in
    /// milliseconds.
    pub claim_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379/0".to_owned(),
            url_file: None,
            ca_file: None,
            prefix: "tidings".to_owned(),
            connect_timeout_ms: 2_000,
            response_timeout_ms: 1_000,
            check_ms: 1_000,
            reconnect_max_ms: 2_000,
            read_retry_ms: 500,
            pipeline_commands: 512,
            read_users: 1_000,
            queued_commands: 1_024,
            in_flight_commands: 16_384,
            claim_ms: 5_000,
        }
    }
}

/// Whether a text is the address of a Redis, or what is wrong with it.
fn check_url(url: &str) -> Result<(), String> {
    let opened = redis::Client::open(url);
    opened.map(|_| ()).map_err(|error| format!("not like redis://host:6379/0: {error}"))
}

/// The same where the certificate of Redis is checked by authorities of its own.
fn check_tls_url(url: &str) -> Result<(), String> {
    check_url(url)?;
    if url.starts_with("rediss://") {
        return Ok(());
    }
    Err("does not begin with rediss://, so nothing would ask for the authorities of redis.ca_file"
        .to_owned())
}

impl RedisConfig {
    /// How Redis is reached, and finds mistakes that no waiting corrects.
    pub fn backend(&self) -> Result<Backend, Vec<AddressError>> {
        let check = if self.ca_file.is_some() { check_tls_url } else { check_url };
        let (url_file, ca_file) = (self.url_file.as_deref(), self.ca_file.as_deref());
        Backend::open("redis", &self.url, url_file, ca_file, check)
    }

    /// Where Redis is, without user and password: for logs.
    pub fn place(&self) -> String {
        match (self.url.split_once("://"), self.url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => self.url.clone(),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.place())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn without_password<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let config = RedisConfig { url: url.to_owned(), ..RedisConfig::default() };
    serializer.serialize_str(&config.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_printed() {
        let url = "redis://ann:hunter2@cache:6379/3".to_owned();
        let config = RedisConfig { url, ..RedisConfig::default() };
        assert_eq!(config.place(), "redis://cache:6379/3");
        let printed = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
