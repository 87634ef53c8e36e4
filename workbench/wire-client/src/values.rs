//! Values of options: rates, durations, address ranges, addresses, secrets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

/// A secret that no debug output shows.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the signer only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err("a secret is not empty".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// The address of a gateway's WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsUrl {
    /// `host:port`.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl FromStr for WsUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("ws://") else {
            return Err("give ws://host:port/path; TLS is not spoken here".to_owned());
        };
        let (host, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/ws"),
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        let authority = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { authority, path: path.to_owned() })
    }
}

/// So many a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// The rate as a number.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim_end_matches("/s").parse::<f64>();
        match number {
            Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 1e7 => Ok(Self(rate)),
            _ => Err("give a number above 0, such as 500/s or 500".to_owned()),
        }
    }
}

/// How sends come about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Nobody sends.
    None,
    /// So many a second in total, whatever the answers do.
    Open(f64),
    /// So many in flight per sender.
    Closed(u32),
}

impl Load {
    /// As it is called in tables.
    pub fn name(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Open(rate) => format!("{rate}/s"),
            Self::Closed(window) => format!("w{window}"),
        }
    }
}

/// Reads `500ms`, `10s`, `2m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        _ => return Err("give a unit: 500ms, 10s, 2m".to_owned()),
    };
    match digits.parse::<f64>() {
        Ok(number) if (0.0..=86_400_000.0).contains(&(number * unit_ms)) => {
            Ok(Duration::from_secs_f64(number * unit_ms / 1_000.0))
        }
        _ => Err("give a number up to a day, such as 10s".to_owned()),
    }
}

/// Source addresses, `first-last` or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    first: Ipv4Addr,
    count: u32,
}

impl Sources {
    /// The address of a client.
    pub fn address(&self, client: u32) -> IpAddr {
        Ipv4Addr::from_bits(self.first.to_bits() + client % self.count).into()
    }
}

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let address = |text: &str| {
            text.parse::<Ipv4Addr>().map_err(|_| format!("{text:?} is no IPv4 address"))
        };
        let (first, last) = (address(first)?, address(last)?);
        match last.to_bits().checked_sub(first.to_bits()) {
            Some(more) if more < 65_536 => Ok(Self { first, count: more + 1 }),
            _ => Err("the last address comes after the first, by at most 65,535".to_owned()),
        }
    }
}

/// A process and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPid {
    /// What the report calls it; processes of one name are added up.
    pub name: String,
    /// The process.
    pub pid: u32,
}

impl FromStr for NamedPid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(name, pid)| Some((name, pid.parse().ok()?)));
        match parts {
            Some((name, pid)) if !name.is_empty() => Ok(Self { name: name.to_owned(), pid }),
            _ => Err("give name=pid".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("10").is_err() && duration("s").is_err() && duration("10h").is_err());
        assert_eq!("500/s".parse(), Ok(Rate(500.0)));
        assert!("0".parse::<Rate>().is_err() && "NaN".parse::<Rate>().is_err());
        assert!("gateway=x".parse::<NamedPid>().is_err());
    }

    #[test]
    fn sources_are_taken_in_turns() {
        let sources: Sources = "127.0.0.2-127.0.0.4".parse().unwrap();
        let taken: Vec<String> = (0..4).map(|i| sources.address(i).to_string()).collect();
        assert_eq!(taken, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2"]);
        assert!("127.0.0.4-127.0.0.2".parse::<Sources>().is_err());
    }

    #[test]
    fn an_address_has_a_port_and_a_path() {
        let url: WsUrl = "ws://localhost:8080".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("localhost:8080", "/ws"));
        let url: WsUrl = "ws://[::1]/ws?x=1".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("[::1]:80", "/ws?x=1"));
        assert!("wss://localhost/ws".parse::<WsUrl>().is_err());
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::from("s3cret".to_owned())), "redacted");
    }
}
