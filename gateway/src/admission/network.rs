//! Networks as they stand in the configuration: `10.0.0.0/8`, `::1/128`, or one address.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Not an address block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write it like 10.0.0.0/8, fd00::/8 or 192.0.2.7")]
pub struct BadNetwork(String);

impl Network {
    /// Whether an address lies in it. A mapped IPv4 address counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, plain(address)) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || first.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || first.to_bits() >> shift == address.to_bits() >> shift
            }
            _ => false,
        }
    }
}

/// An IPv4 address that came as IPv6, as what it is.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.trim().parse().map_err(|_| bad())?;
        let all = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.trim().parse().map_err(|_| bad()))?;
        if bits > all { Err(bad()) } else { Ok(Self { first, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = BadNetwork;

    fn try_from(text: String) -> Result<Self, BadNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        format!("{}/{}", network.first, network.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(address: &str, network: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        assert!(is_in("10.255.0.1", "10.0.0.0/8"));
        assert!(!is_in("11.0.0.1", "10.0.0.0/8"));
        assert!(is_in("192.0.2.7", "192.0.2.7"));
        assert!(!is_in("192.0.2.8", "192.0.2.7"));
        assert!(is_in("203.0.113.9", "0.0.0.0/0"));
        assert!(is_in("::ffff:10.1.2.3", "10.0.0.0/8"), "a mapped address is the address");
        assert!(is_in("fd12::1", "fd00::/8"));
        assert!(!is_in("10.0.0.1", "::/0"), "another family");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1", "host/8", "/8"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
