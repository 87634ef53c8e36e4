//! What a token says for people to see: cleaned once, here, so that every store and every client can keep it.

use super::Claims;

/// Longest display name, in characters.
pub const NAME_CHARS: usize = 100;
/// Longest address of a picture, in bytes.
pub const AVATAR_BYTES: usize = 2_048;

impl Claims {
    /// Takes control characters out of the name and cuts it; an address of a picture that is none any more
    /// when it is cut is left out.
    pub(super) fn clean(&mut self) {
        self.name = self.name.take().map(|name| name_of(&name)).filter(|name| !name.is_empty());
        self.avatar = self.avatar.take().filter(|avatar| {
            let is_clean = !avatar.chars().any(|c| c.is_control() || c.is_whitespace());
            is_clean && !avatar.is_empty() && avatar.len() <= AVATAR_BYTES
        });
    }
}

fn name_of(said: &str) -> String {
    let spaced = said.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let cleaned: String = spaced.filter(|c| !c.is_control()).collect();
    let cut: String = cleaned.trim().chars().take(NAME_CHARS).collect();
    cut.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_a_hundred_characters_and_hold_no_control_characters() {
        assert_eq!(name_of("Eve\u{0}"), "Eve");
        assert_eq!(name_of(" Ann\r\n\tB\u{7f}ell "), "Ann   Bell");
        assert_eq!(name_of(&"é".repeat(5_000)), "é".repeat(100));
        assert_eq!(name_of("\u{1}\u{2}"), "");
        assert_eq!(name_of("李 雷"), "李 雷");
    }
}
