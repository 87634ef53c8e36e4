//! What is revoked of one user, and how it stays within its bound: instead of being forgotten, the oldest
//! become one row that says more than they did. It costs that user a new sign-in and nobody else anything.

use std::collections::BTreeMap;

use proto::id::{DeviceId, UserId};

/// By what a token is known: SHA-256 of what identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 32]);

/// Which tokens of a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    All,
    /// Those of one device.
    Device(DeviceId),
    Token(TokenId),
}

/// Until when which of them stay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Those that were issued up to then, in Unix seconds. Of one token: when it was issued, at the latest.
    pub issued_until_secs: u64,
    /// In Unix milliseconds.
    pub until_ms: u64,
}

/// Tokens of a user that do not come in any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub user_id: UserId,
    pub what: What,
    /// How far and how long.
    pub cut: Cut,
}

/// A token that a device used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceToken {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub token_id: TokenId,
    /// When it was issued, in Unix seconds; 0 when it does not say.
    pub issued_secs: u64,
    /// When it ends by itself, in Unix milliseconds.
    pub until_ms: u64,
}

/// What of a user's list changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New, or said anew.
    pub set: Vec<(What, Cut)>,
    /// Said by another row now.
    pub gone: Vec<What>,
}

impl Cut {
    fn covers(self, other: Self) -> bool {
        self.issued_until_secs >= other.issued_until_secs && self.until_ms >= other.until_ms
    }

    fn with(self, other: Self) -> Self {
        Self {
            issued_until_secs: self.issued_until_secs.max(other.issued_until_secs),
            until_ms: self.until_ms.max(other.until_ms),
        }
    }
}

/// Adds to a user's list, which has at most so many rows afterwards.
pub fn add(before: &[(What, Cut)], new: Vec<(What, Cut)>, most: usize) -> Changes {
    let before: BTreeMap<What, Cut> = before.iter().cloned().collect();
    let mut list = before.clone();
    for (what, cut) in new {
        let kept = list.entry(what).or_insert(cut);
        *kept = kept.with(cut);
    }
    drop_covered(&mut list);
    if list.len() > most.max(1) {
        let mut rest: Vec<Cut> =
            list.iter().filter(|(what, _)| **what != What::All).map(|(_, cut)| *cut).collect();
        rest.sort_unstable_by_key(|cut| cut.issued_until_secs);
        // Half of them at once, so that it is not done again for the next one.
        let oldest = rest.len().div_ceil(2).max(list.len() - most.max(1) + 1).min(rest.len());
        for cut in &rest[..oldest] {
            let all = list.entry(What::All).or_insert(*cut);
            *all = all.with(*cut);
        }
        drop_covered(&mut list);
    }
    Changes {
        gone: before.keys().filter(|what| !list.contains_key(what)).cloned().collect(),
        set: list.into_iter().filter(|(what, cut)| before.get(what) != Some(cut)).collect(),
    }
}

fn drop_covered(list: &mut BTreeMap<What, Cut>) {
    if let Some(all) = list.get(&What::All).copied() {
        list.retain(|what, cut| *what == What::All || !all.covers(*cut));
    }
}

impl TokenId {
    /// From 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl What {
    /// As rows name it.
    pub fn to_stored(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Device(device_id) => format!("d:{device_id}"),
            Self::Token(token_id) => format!("t:{}", token_id.to_hex()),
        }
    }

    /// Reads a row's name.
    pub fn from_stored(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => text.is_empty().then_some(Self::All),
            Some(("d", device_id)) => DeviceId::parse(device_id).ok().map(Self::Device),
            Some(("t", token_id)) => TokenId::from_hex(token_id).map(Self::Token),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn device(name: u8) -> What {
        What::Device(DeviceId::parse(&format!("device-{name}")).unwrap())
    }

    fn cut(issued_until_secs: u64, until_ms: u64) -> Cut {
        Cut { issued_until_secs, until_ms }
    }

    #[test]
    fn the_end_of_all_says_what_earlier_rows_said_and_not_what_lasts_longer() {
        let before = [(device(1), cut(5, 100)), (device(2), cut(6, 900))];
        let changes = add(&before, vec![(What::All, cut(7, 500))], 10);
        assert_eq!(changes, Changes { set: vec![(What::All, cut(7, 500))], gone: vec![device(1)] });
        let again = add(&[(What::All, cut(7, 500))], vec![(device(1), cut(7, 400))], 10);
        assert_eq!(again, Changes::default(), "it is said already");
    }

    #[test]
    fn names_of_rows_are_read_back() {
        for what in [What::All, device(3), What::Token(TokenId([0xab; 32]))] {
            assert_eq!(What::from_stored(&what.to_stored()), Some(what));
        }
        for odd in ["x", "d:", "t:00", "d", "t:é"] {
            assert_eq!(What::from_stored(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_was_revoked_comes_in_again_and_the_bound_holds(
            steps in vec((0..30_u8, 1..50_u64, 1..50_u64), 1..80),
            most in 1..12_usize,
        ) {
            let mut list: BTreeMap<What, Cut> = BTreeMap::new();
            let mut said = Vec::new();
            for (name, issued, until) in steps {
                let what = if name == 0 { What::All } else { device(name) };
                said.push((what.clone(), cut(issued, until)));
                let before: Vec<_> = list.clone().into_iter().collect();
                let changes = add(&before, vec![(what, cut(issued, until))], most);
                for gone in changes.gone {
                    prop_assert!(list.remove(&gone).is_some());
                }
                list.extend(changes.set);
                prop_assert!(list.len() <= most);
                for (what, cut) in &said {
                    let is_out = [Some(what), Some(&What::All)].into_iter().flatten();
                    let mut rows = is_out.filter_map(|what| list.get(what));
                    prop_assert!(rows.any(|row| row.covers(*cut)), "{:?} {:?}", what, cut);
                }
            }
        }
    }
}
