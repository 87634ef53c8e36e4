//! A user's state, merged from the devices and what was set by hand.

/// What a user sets by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chosen {
    /// Nothing special.
    #[default]
    Online,
    /// Not looking.
    Away,
    /// Not to be disturbed.
    Busy,
    /// Connected, but told to nobody.
    Invisible,
}

impl Chosen {
    /// Reads the word of a `status` frame.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "online" => Some(Self::Online),
            "away" => Some(Self::Away),
            "busy" => Some(Self::Busy),
            "invisible" => Some(Self::Invisible),
            _ => None,
        }
    }

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
        }
    }
}

/// What is known of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Connected devices.
    pub devices: u32,
    /// Set by hand.
    pub chosen: Chosen,
    /// When the last device went, in Unix milliseconds; 0 when never seen.
    pub last_seen_ms: u64,
}

/// What others are told of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// `online`, `away`, `busy`, `offline`.
    pub status: &'static str,
    /// Connected devices; none for the invisible.
    pub devices: u32,
    /// Absent while online.
    pub last_seen_ms: Option<u64>,
}

/// What others are told.
pub fn told(known: Known) -> Told {
    if known.devices == 0 || known.chosen == Chosen::Invisible {
        let last_seen_ms = (known.last_seen_ms > 0).then_some(known.last_seen_ms);
        return Told { status: "offline", devices: 0, last_seen_ms };
    }
    Told { status: known.chosen.as_str(), devices: known.devices, last_seen_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invisible_and_the_absent_look_alike() {
        let known = |devices, chosen| Known { devices, chosen, last_seen_ms: 9 };
        assert_eq!(told(known(2, Chosen::Invisible)), told(known(0, Chosen::Busy)));
        assert_eq!(told(known(0, Chosen::Online)).last_seen_ms, Some(9));
        assert_eq!(
            told(known(1, Chosen::Busy)),
            Told { status: "busy", devices: 1, last_seen_ms: None }
        );
        assert_eq!(told(Known::default()).last_seen_ms, None);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for chosen in [Chosen::Online, Chosen::Away, Chosen::Busy, Chosen::Invisible] {
            assert_eq!(Chosen::parse(chosen.as_str()), Some(chosen));
        }
        assert_eq!(Chosen::parse("offline"), None);
    }
}
