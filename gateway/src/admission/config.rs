//! The section `[admission]`: who may come in, how often, and how much may be said.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// Limits of arriving connections and of what is said on them. 0 means no limit where it counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionConfig {
    /// Sockets that one address may have open here; a network of 64 bits is one IPv6 address.
    pub address_sockets: u32,
    /// Sockets that one address may open in `address_window_secs`; refused ones do not count.
    pub address_arrivals: u32,
    /// See `address_arrivals`, in seconds.
    pub address_window_secs: u64,
    /// Connections of one address that are no sockets: requests, and handshakes that are not done.
    pub address_requests: u32,
    /// Addresses that are remembered; beyond it those without an open connection are forgotten.
    pub addresses: usize,
    /// Messages of one user, over all sockets and requests, in `user_frames_secs`: all at once or
    /// spread. Counted are `send` and requests that change something.
    pub user_frames: u32,
    /// The time of `user_frames` and of the other rates of a user, in seconds. Each of them is an account
    /// of its own: what one of them refuses costs the others nothing.
    pub user_frames_secs: u64,
    /// `typing` and `status` of one user in that time.
    pub user_states: u32,
    /// Call signals of one user in that time.
    pub user_signals: u32,
    /// Bytes of the call signals of one user in that time; each counts as 1 KiB at least.
    pub user_signal_bytes: u32,
    /// `sync` and requests that read, of one user in that time.
    pub user_reads: u32,
    /// Broadcasts of one operator in that time.
    pub user_broadcasts: u32,
    /// How often it is told to the other gateways, through presence, what users were granted here who used more than
    /// an eighth of a rate, in milliseconds; those rates then hold over all gateways, which have to have the same.
    /// 0: each gateway goes by what it granted itself, as it does while presence is away.
    pub share_ms: u64,
    /// Users of whom that is told at a time; of further ones each gateway goes by what it granted itself.
    pub shared_users: usize,
    /// Frames of one connection in a second, whatever they are.
    pub connection_frames: u32,
    /// Users whose frames are counted; those who rest are forgotten first.
    pub rated_users: usize,
    /// Tokens of devices of which it is remembered that the chat store knows them, so that it is not told
    /// again, in 16 bytes each.
    pub noted_tokens: usize,
    /// How long tokens of a user or device stay revoked whose own end is not known, in seconds: the
    /// longest life of a token.
    pub revoked_secs: u64,
    /// Networks to which the limits of addresses and rates do not apply: load generators, office.
    pub exempt_networks: Vec<Network>,
    /// Networks of proxies whose `X-Forwarded-For` is believed. Nobody else's is.
    pub trusted_proxies: Vec<Network>,
    /// Further names of this machine, beside `localhost` and its loopback addresses: a request from it under
    /// another `Host` is met with the limits of strangers, and is given no development token.
    pub hosts: Vec<String>,
    /// Networks of load balancers whose connections begin with a header of the PROXY protocol, version
    /// 1 or 2. From them one without it is refused; from others it is no HTTP.
    pub proxy_protocol_from: Vec<Network>,
    /// How long a request's head may take, PROXY header included, in milliseconds.
    pub head_timeout_ms: u64,
    /// Files of this process that are kept for other things than clients: the bus, gRPC, the database,
    /// answers to those who are refused. At most a quarter of what the process may open.
    pub reserved_files: u64,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            address_sockets: 10,
            address_arrivals: 100,
            address_window_secs: 60,
            address_requests: 64,
            addresses: 100_000,
            user_frames: 100,
            user_frames_secs: 60,
            user_states: 300,
            user_signals: 300,
            user_signal_bytes: 2 << 20,
            user_reads: 600,
            user_broadcasts: 60,
            share_ms: 250,
            shared_users: 10_000,
            connection_frames: 2_000,
            rated_users: 100_000,
            noted_tokens: 100_000,
            revoked_secs: 30 * 24 * 3_600,
            exempt_networks: Vec::new(),
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
            proxy_protocol_from: Vec::new(),
            head_timeout_ms: 10_000,
            reserved_files: 256,
        }
    }
}

impl AdmissionConfig {
    /// How long a request's head may take.
    pub(crate) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms.max(1))
    }

    /// Connections for which there are files, when the process may open so many.
    pub fn connections_by_files(&self, files: Option<u64>) -> usize {
        files.map_or(usize::MAX, |files| {
            let kept = self.reserved_files.min(files / 4);
            usize::try_from(files - kept).unwrap_or(usize::MAX)
        })
    }
}
