//! The section `[admission]`: who may come in, how often, and how much may be said.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// Limits of arriving connections and of what is said on them. 0 means no limit where it counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionConfig {
    /// Sockets that one address may have open at this gateway; an IPv6 network of 64 bits counts as one address.
    pub address_sockets: u32,
    /// Connections that one address may open within `address_window_secs`; refused ones do not count.
    pub address_arrivals: u32,
    /// The time window of `address_arrivals`, in seconds.
    pub address_window_secs: u64,
    /// HTTP requests and unfinished handshakes that one address may have open at once.
    pub address_requests: u32,
    /// Maximum number of addresses that are remembered; beyond it addresses without an open connection are forgotten.
    pub addresses: usize,
    /// Messages and other writing requests of one user within `user_frames_secs`, over all sockets and requests; they
    /// may come all at once.
    pub user_frames: u32,
    /// The time window of `user_frames` and of the other rates of a user, in seconds. Each rate is counted separately.
    pub user_frames_secs: u64,
    /// `typing` and `status` of one user within `user_frames_secs`.
    pub user_states: u32,
    /// Call signals of one user within `user_frames_secs`.
    pub user_signals: u32,
    /// Bytes of call signals of one user within `user_frames_secs`; each signal counts as at least 1 KiB.
    pub user_signal_bytes: u32,
    /// `sync` and reading requests of one user within `user_frames_secs`.
    pub user_reads: u32,
    /// Broadcasts of one operator within `user_frames_secs`.
    pub user_broadcasts: u32,
    /// How often users who have used more than an eighth of a rate at this gateway are reported to the other gateways,
    /// through presence, in milliseconds. The rates of those users then hold over all gateways, which need the same
    /// values. 0: each gateway counts alone, as it does while presence is unavailable.
    pub share_ms: u64,
    /// Maximum number of users in one such report; further users are counted by each gateway alone.
    pub shared_users: usize,
    /// Frames of any type that one connection may send per second.
    pub connection_frames: u32,
    /// Maximum number of users whose rates are counted; idle users are forgotten first.
    pub rated_users: usize,
    /// Maximum number of device tokens remembered as already reported to the chat store, so that they are not reported
    /// again; 16 bytes each.
    pub noted_tokens: usize,
    /// How long a revocation is kept for tokens whose expiry is not known, in seconds: the longest lifetime of a token.
    pub revoked_secs: u64,
    /// Networks that are exempt from the limits of addresses and from rates, such as load generators or an office.
    pub exempt_networks: Vec<Network>,
    /// Networks of proxies whose `X-Forwarded-For` is used; that of other addresses is ignored.
    pub trusted_proxies: Vec<Network>,
    /// Additional host names of this machine, besides `localhost` and its loopback addresses. A local request with
    /// another `Host` is limited like a remote one and gets no development token.
    pub hosts: Vec<String>,
    /// Networks of load balancers whose connections begin with a PROXY protocol header, version 1 or 2. A connection
    /// from them without the header is refused; a header from any other address is a malformed request.
    pub proxy_protocol_from: Vec<Network>,
    /// Maximum time for receiving the head of a request, PROXY header included, in milliseconds.
    pub head_timeout_ms: u64,
    /// File descriptors of this process that are reserved for other uses than clients: the bus, gRPC, the database,
    /// refusals. At most a quarter of the process limit.
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
