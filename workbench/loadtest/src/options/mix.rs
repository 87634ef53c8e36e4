//! What is mixed into the texts of pairs, so that they write as people do.

use clap::Args;

/// Shares of what is due, in percent. The rest are texts.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Mix {
    /// Of 100 sends that are due, so many are reactions to the partner's last message instead; in the scenario pairs.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub reactions: u32,
    /// So many are replies in a thread; in the scenario pairs.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub replies: u32,
    /// So many mention the partner; in the scenario pairs.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub mentions: u32,
}

/// What one of the sends is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A text alone.
    Text,
    /// No text, but a reaction.
    Reaction,
    /// A text in a thread.
    Reply,
    /// A text that mentions the partner.
    Mention,
}

impl Mix {
    /// All shares but that of the texts.
    pub fn percent(&self) -> u32 {
        self.reactions.saturating_add(self.replies).saturating_add(self.mentions)
    }

    /// What a client does the n-th time: the same in each run, and in any 100 of a client each share exactly.
    pub fn part(&self, client: u32, number: u32) -> Part {
        // 37 has no divisor in common with 100, so 100 numbers give each value once.
        let share = (u64::from(number) * 37 + u64::from(client) * 61) % 100;
        let bounds = [
            (Part::Reaction, self.reactions),
            (Part::Reply, self.replies),
            (Part::Mention, self.mentions),
        ];
        let mut end = 0;
        for (part, percent) in bounds {
            end += u64::from(percent);
            if share < end {
                return part;
            }
        }
        Part::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_sends_of_a_client_have_each_share_exactly() {
        let mix = Mix { reactions: 10, replies: 5, mentions: 2 };
        for (client, first) in [(0, 0), (1, 0), (7, 1_234)] {
            let count = |part| {
                (first..first + 100).filter(|number| mix.part(client, *number) == part).count()
            };
            let counts = [Part::Reaction, Part::Reply, Part::Mention, Part::Text].map(count);
            assert_eq!(counts, [10, 5, 2, 83]);
        }
    }

    #[test]
    fn many_clients_have_the_shares_in_their_first_sends_too() {
        let mix = Mix { reactions: 10, replies: 5, mentions: 2 };
        let reactions = (0..1_000).filter(|client| mix.part(*client, 3) == Part::Reaction).count();
        assert_eq!(reactions, 100);
    }

    #[test]
    fn without_a_mix_all_are_texts() {
        assert!((0..300).all(|number| Mix::default().part(5, number) == Part::Text));
    }
}
