//! The type of the device that asks: what is meant for devices of another type is blank for it.

use proto::common::DeviceType;
use serde::Deserialize;
use utoipa::ToSchema;

/// The type of the asking device. Without it, what is meant for devices of one type is blank.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AskingDevice {
    /// A browser.
    Web,
    /// An iPhone or iPad.
    Ios,
    /// An Android device.
    Android,
    /// A program on a computer.
    Desktop,
    /// A program without a person.
    Bot,
}

impl AskingDevice {
    /// As the services are told.
    pub(crate) fn code(of: Option<Self>) -> i32 {
        let device_type = match of {
            None => DeviceType::Unspecified,
            Some(Self::Web) => DeviceType::Web,
            Some(Self::Ios) => DeviceType::Ios,
            Some(Self::Android) => DeviceType::Android,
            Some(Self::Desktop) => DeviceType::Desktop,
            Some(Self::Bot) => DeviceType::Bot,
        };
        device_type as i32
    }
}
