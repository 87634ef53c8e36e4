//! A registered device and its packed form: one line of text a device, all devices of a user in one
//! value, so that looking up a user is one read.

use proto::id::UserId;

/// One incarnation of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gateway {
    /// Its id.
    pub id: String,
    /// Its incarnation.
    pub epoch: u64,
}

/// A device on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where the connection is.
    pub gateway: Gateway,
    /// Which connection there.
    pub connection: u64,
    /// Number of the device type on the wire.
    pub device_type: i32,
    /// Names the device; its newest connection replaces the older one.
    pub device_id: String,
}

/// A connection to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose.
    pub user_id: UserId,
    /// The device, at the reporting gateway.
    pub device: Device,
}

/// How many devices a user had before and after a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub user_id: UserId,
    /// Devices before.
    pub before: u32,
    /// Devices after.
    pub after: u32,
    /// The older connection of the device, when there was one.
    pub replaced: Option<Device>,
}

impl Device {
    /// `gateway|epoch|connection|type|device`. Ids have neither `|` nor line ends.
    pub fn pack(&self) -> String {
        format!(
            "{}|{:x}|{:x}|{}|{}",
            self.gateway.id, self.gateway.epoch, self.connection, self.device_type, self.device_id
        )
    }

    /// What identifies the connection in a packed line: its beginning.
    pub fn prefix(gateway: &Gateway, connection: u64) -> String {
        format!("{}|{:x}|{connection:x}|", gateway.id, gateway.epoch)
    }

    /// Reads a packed line; `None` for one that is not.
    pub fn unpack(line: &str) -> Option<Self> {
        let mut parts = line.splitn(5, '|');
        let gateway_id = parts.next()?.to_owned();
        let epoch = u64::from_str_radix(parts.next()?, 16).ok()?;
        let connection = u64::from_str_radix(parts.next()?, 16).ok()?;
        let device_type = parts.next()?.parse().ok()?;
        let device_id = parts.next()?.to_owned();
        Some(Self {
            gateway: Gateway { id: gateway_id, epoch },
            connection,
            device_type,
            device_id,
        })
    }
}

/// Reads a user's packed value. Malformed lines are passed over: one bad value harms nobody else.
pub fn unpack_all(value: &str) -> Vec<Device> {
    value.lines().filter_map(Device::unpack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_device_is_read_back_and_garbage_is_passed_over() {
        let device = Device {
            gateway: Gateway { id: "gateway-1".to_owned(), epoch: u64::MAX },
            connection: 77,
            device_type: 2,
            device_id: "phone".to_owned(),
        };
        let value = format!("{}\ngarbage\n|||\n", device.pack());
        assert!(device.pack().starts_with(&Device::prefix(&device.gateway, 77)));
        assert_eq!(unpack_all(&value), [device]);
    }
}
