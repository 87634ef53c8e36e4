//! A user's state: what they chose by hand, merged with whether any device is connected.

/// What a user chose by hand. It lasts until they choose again, also over reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Chosen {
    /// Not read from the chat store yet: told to others as offline, since it may be invisible.
    #[default]
    Unread,
    Online,
    Away,
    Busy,
    /// Connected, but told to others as offline.
    Invisible,
}

impl Chosen {
    /// Reads the text of a `status` frame.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "online" => Some(Self::Online),
            "away" => Some(Self::Away),
            "busy" => Some(Self::Busy),
            "invisible" => Some(Self::Invisible),
            _ => None,
        }
    }

    /// The text of a `status` frame.
    pub fn as_str(self) -> &'static str {
        match self {
            // What others are told meanwhile.
            Self::Unread => "offline",
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
        }
    }
}

/// What others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    Online,
    Away,
    Busy,
    Offline,
}

impl Status {
    /// As it stands in frames and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Offline => "offline",
        }
    }
}

/// Where a user stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Connected devices.
    pub devices: u32,
    /// What the user chose.
    pub chosen: Chosen,
}

impl Standing {
    /// What others are told: without a device, or when invisible, offline.
    pub fn status(self) -> Status {
        match self.chosen {
            _ if self.devices == 0 => Status::Offline,
            Chosen::Invisible | Chosen::Unread => Status::Offline,
            Chosen::Online => Status::Online,
            Chosen::Away => Status::Away,
            Chosen::Busy => Status::Busy,
        }
    }

    /// How many devices others are told of.
    pub fn told_devices(self) -> u32 {
        if self.status() == Status::Offline { 0 } else { self.devices }
    }

    /// Whether others are told that the user is there.
    pub fn is_visible(self) -> bool {
        self.status() != Status::Offline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Chosen; 4] = [Chosen::Online, Chosen::Away, Chosen::Busy, Chosen::Invisible];

    #[test]
    fn without_a_device_a_user_is_offline_whatever_they_chose() {
        for chosen in ALL {
            assert_eq!(Standing { devices: 0, chosen }.status(), Status::Offline);
        }
    }

    #[test]
    fn with_a_device_the_choice_counts_and_invisible_is_told_as_offline() {
        let told = ALL.map(|chosen| Standing { devices: 2, chosen }.status());
        assert_eq!(told, [Status::Online, Status::Away, Status::Busy, Status::Offline]);
        let hidden = Standing { devices: 2, chosen: Chosen::Invisible };
        assert_eq!(hidden.told_devices(), 0, "the count would give it away");
    }

    #[test]
    fn a_choice_is_read_from_the_text_that_it_is_written_as() {
        for chosen in ALL {
            assert_eq!(Chosen::parse(chosen.as_str()), Some(chosen));
        }
        assert_eq!(Chosen::parse("offline"), None, "one leaves to be offline");
        let unread = Standing { devices: 2, chosen: Chosen::default() };
        assert!(!unread.is_visible(), "it may be invisible");
    }
}
