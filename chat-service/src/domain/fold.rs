//! Names as they are searched for: without regard to case and to how a character is composed. Pure; both databases
//! store what it makes and compare it byte by byte, so they find the same.

use unicode_normalization::UnicodeNormalization;

/// Longest stored key in characters: a database bounds what it indexes, and nobody types more.
const KEY_CHARS: usize = 200;

/// A text with its case folded, composed (NFC). Lower, upper and lower again is Unicode's full case folding for what
/// matters in a search: `ß`, `ẞ` and `SS` become `ss`, and all three sigmas one.
pub(crate) fn fold(text: &str) -> String {
    let lower = |c: char| c.to_lowercase();
    text.nfd()
        .flat_map(lower)
        .flat_map(char::to_uppercase)
        .flat_map(lower)
        // Folding may take a character apart.
        .collect::<String>()
        .nfc()
        .collect()
}

/// What is stored beside a name.
pub(crate) fn name_key(name: &str) -> String {
    fold(name).chars().take(KEY_CHARS).collect()
}

/// All keys that begin with a prefix are at least the first, and less than the second.
pub(crate) fn prefix_range(prefix: &str) -> (String, String) {
    let from = fold(prefix);
    let to = format!("{from}{}", char::MAX);
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_matter() {
        for (one, other) in [
            ("Éloïse", "éLOÏSE"),
            ("Анна", "аННА"),
            ("ΣΟΦΟΣ", "σοφος"),
            ("σοφος", "σοφοσ"),
            ("Müller", "mu\u{308}LLER"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("ﬁn", "FIN"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("Muller"), fold("Müller"));
    }

    #[test]
    fn every_character_folds_like_its_upper_and_lower_case_and_stays_folded() {
        // No character beyond has a case.
        for c in (0..=0x1_ffff).filter_map(char::from_u32) {
            let folded = fold(&c.to_string());
            assert_eq!(fold(&folded), folded, "{c:?} {:x}", c as u32);
            assert_eq!(fold(&c.to_lowercase().to_string()), folded, "{c:?} {:x}", c as u32);
            assert_eq!(fold(&c.to_uppercase().to_string()), folded, "{c:?} {:x}", c as u32);
        }
    }
}
