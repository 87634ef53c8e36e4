//! The sections `[rebalance]` and `[edge]`.

use serde::{Deserialize, Serialize};

/// Moving open connections from gateways that have more than their share.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RebalanceConfig {
    /// Part of the connections of such a gateway that is moved per minute, the oldest first, in percent. 0: none.
    pub percent_a_minute: u32,
    /// A gateway has too many connections above this part of the mean over all gateways, in percent; it moves
    /// connections until it has the mean.
    pub above_percent: u32,
    /// Minimum number of connections above the mean before any are moved.
    pub least_excess: u32,
    /// Minimum time since the last change of the set of gateways before connections are moved, in milliseconds: the
    /// balancer may not know new gateways yet.
    pub settle_ms: u64,
    /// Pause after nearly all moved connections came back to the same gateway, in seconds; doubled each time that
    /// happens, up to 64 times as long.
    pub pause_secs: u64,
}

impl Default for RebalanceConfig {
    fn default() -> Self {
        Self {
            percent_a_minute: 20,
            above_percent: 125,
            least_excess: 50,
            settle_ms: 30_000,
            pause_secs: 600,
        }
    }
}

/// Where clients reach each gateway by itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// For installations without a balancer: `gateway_id=wss://host/ws` of every gateway, the same list at all of them.
    /// A gateway with too many connections sends clients to the gateway with the fewest. Empty: clients always connect
    /// to the address that they know.
    pub servers: Vec<String>,
}

/// The list, checked.
#[derive(Debug, Clone, Default)]
pub struct Servers(Vec<(String, String)>);

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServersError {
    /// Not of the form.
    #[error("edge.servers: `{0}` is not `gateway_id=wss://host/ws` or `gateway_id=ws://host/ws`")]
    NotAServer(String),
    /// Which one is meant?
    #[error("edge.servers: `{0}` is named twice")]
    Twice(String),
}

impl Servers {
    /// Checks the list.
    pub fn new(config: &EdgeConfig) -> Result<Self, ServersError> {
        let mut servers: Vec<(String, String)> = Vec::with_capacity(config.servers.len());
        for text in &config.servers {
            let (id, url) = server(text).ok_or_else(|| ServersError::NotAServer(text.clone()))?;
            if servers.iter().any(|(known, _)| known == id) {
                return Err(ServersError::Twice(id.to_owned()));
            }
            servers.push((id.to_owned(), url.to_owned()));
        }
        Ok(Self(servers))
    }

    /// Where clients reach this gateway.
    pub(super) fn url(&self, gateway_id: &str) -> Option<&str> {
        self.0.iter().find(|(id, _)| id == gateway_id).map(|(_, url)| url.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn server(text: &str) -> Option<(&str, &str)> {
    let (id, url) = text.split_once('=')?;
    proto::id::GatewayId::parse(id).ok()?;
    let uri: axum::http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?;
    // Clients put their own query behind it.
    let is_bare = url.ends_with("/ws") && uri.query().is_none();
    let is_nobody = !uri.authority()?.as_str().contains('@');
    (matches!(scheme, "ws" | "wss") && is_bare && is_nobody).then_some((id, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(texts: &[&str]) -> Result<Servers, ServersError> {
        Servers::new(&EdgeConfig { servers: texts.iter().map(|it| (*it).to_owned()).collect() })
    }

    #[test]
    fn each_gateway_has_the_address_of_its_socket() {
        let read = servers(&["g1=wss://g1.example.org/ws", "g2=ws://10.0.0.2:8080/x/ws"]).unwrap();
        assert_eq!(read.url("g2"), Some("ws://10.0.0.2:8080/x/ws"));
        assert_eq!(read.url("g3"), None);
        assert!(servers(&[]).unwrap().is_empty());
        for wrong in [
            "g1",
            "g1=",
            "=wss://g1.example.org/ws",
            "g1=https://g1.example.org/ws",
            "g1=wss://g1.example.org",
            "g1=wss://g1.example.org/ws?x=/ws",
            "g1=wss://user@g1.example.org/ws",
            "g1=g1.example.org/ws",
            "g 1=wss://g1.example.org/ws",
        ] {
            assert!(matches!(servers(&[wrong]), Err(ServersError::NotAServer(_))), "{wrong}");
        }
        let twice = servers(&["g1=wss://a.example/ws", "g1=wss://b.example/ws"]);
        assert_eq!(twice.unwrap_err(), ServersError::Twice("g1".to_owned()));
    }
}
