//! Whether a member is told of what a conversation has new, now, later or not at all. Pure.

use super::rules::{Action, Mute, Rule, Rules};
use super::told::Told;
use crate::store::push::{Candidate, PushPlace};

/// The times of the section `[push]`, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long a connected user may take.
    pub(super) after_ms: u64,
    /// Least time between two pushes of a conversation to a user.
    pub(super) between_ms: u64,
}

/// Now, by the clock of this process, which never goes back, and by the wall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) ms: u64,
    pub(super) wall_ms: u64,
}

/// A member, and what is known of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) row: &'a Candidate,
    /// They have a connection, or may have one: presence did not answer.
    pub(super) is_connected: bool,
    pub(super) mute: Option<Mute>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision<'t> {
    /// The devices are told.
    Push {
        /// The newest message.
        newest: &'t Told,
        /// Of how many.
        count: u32,
        /// Why: that of the one which matters most.
        rule: Rule,
        /// The device is woken.
        is_urgent: bool,
    },
    /// Not yet.
    Wait {
        /// It is decided again then, by the clock of this process.
        until_ms: u64,
        /// The first message that is not decided.
        from_seq: u64,
    },
    /// There is nothing to tell.
    Nothing,
}

/// Decides, of messages by ascending seq.
pub(super) fn decide<'t>(
    told: impl Iterator<Item = &'t Told>,
    place: &PushPlace,
    member: Member<'_>,
    times: Times,
    rules: &Rules,
    now: Now,
) -> Decision<'t> {
    let row = member.row;
    // What reached the user or was told them before is decided.
    let decided = row.delivered_seq.max(row.read_seq).max(row.sent_seq);
    let mut newest = None;
    let (mut count, mut rule, mut is_urgent) = (0, Rule::Group, false);
    let mut first: Option<&Told> = None;
    for message in told {
        if message.seq <= decided || message.seq < row.from_seq {
            continue;
        }
        let facts = message.facts(&row.user_id, place, member.mute, now.wall_ms);
        let (which, action) = rules.decide(&facts);
        if action == Action::None {
            continue;
        }
        // Rows that stand higher matter more.
        rule = if count == 0 { which } else { rule.min(which) };
        is_urgent |= action == Action::Urgent || message.is_high;
        count += 1;
        newest = Some(message);
        first = first.or(Some(message));
    }
    let (Some(newest), Some(first)) = (newest, first) else { return Decision::Nothing };
    let wait = |until_ms| Decision::Wait { until_ms, from_seq: first.seq };
    let ripe_ms = first.seen_ms.saturating_add(times.after_ms);
    if member.is_connected && ripe_ms > now.ms {
        return wait(ripe_ms);
    }
    if row.sent_seq > 0 && rule != Rule::Call {
        // A wall clock that was set back makes nobody wait for longer than the time between two.
        let since = now.wall_ms.saturating_sub(row.sent_at_ms);
        if since < times.between_ms {
            return wait(now.ms + times.between_ms - since);
        }
    }
    Decision::Push { newest, count, rule, is_urgent }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::id::{ConversationId, ConversationKey, TenantId, UserId};

    use super::*;
    use crate::domain::entry::ConversationKind;
    use crate::push::told::tests::told;

    const TIMES: Times = Times { after_ms: 10_000, between_ms: 3_000 };

    fn place() -> PushPlace {
        PushPlace {
            key: ConversationKey::new(TenantId::DEFAULT, ConversationId(uuid::Uuid::from_u128(1))),
            kind: ConversationKind::Direct,
            title: String::new(),
            is_large: false,
        }
    }

    fn bob() -> Candidate {
        Candidate {
            key: place().key,
            user_id: UserId::parse_qualified("bob").unwrap(),
            from_seq: 1,
            delivered_seq: 0,
            read_seq: 0,
            sent_seq: 0,
            sent_at_ms: 0,
        }
    }

    fn of<'t>(told: &'t [Told], row: &Candidate, is_connected: bool, ms: u64) -> Decision<'t> {
        let member = Member { row, is_connected, mute: None };
        let now = Now { ms, wall_ms: 1_000_000 + ms };
        decide(told.iter(), &place(), member, TIMES, &Rules::default(), now)
    }

    #[test]
    fn who_is_not_connected_is_told_at_once_and_who_is_after_a_while() {
        let told = [told(5, "ann", 100), told(6, "ann", 200)];
        let push =
            Decision::Push { newest: &told[1], count: 2, rule: Rule::Direct, is_urgent: true };
        assert_eq!(of(&told, &bob(), false, 200), push);
        let wait = Decision::Wait { until_ms: 10_100, from_seq: 5 };
        assert_eq!(of(&told, &bob(), true, 200), wait);
        assert_eq!(of(&told, &bob(), true, 10_100), push);
        let reached = Candidate { delivered_seq: 5, ..bob() };
        let wait = Decision::Wait { until_ms: 10_200, from_seq: 6 };
        assert_eq!(of(&told, &reached, true, 10_100), wait, "the other one arrived");
    }

    #[test]
    fn what_reached_them_was_told_them_or_is_their_own_is_not_told() {
        let told = [told(5, "ann", 0)];
        for row in [
            Candidate { delivered_seq: 5, ..bob() },
            Candidate { read_seq: 5, ..bob() },
            Candidate { sent_seq: 5, ..bob() },
            Candidate { from_seq: 6, ..bob() },
            Candidate { user_id: UserId::parse_qualified("ann").unwrap(), ..bob() },
        ] {
            assert_eq!(of(&told, &row, false, 0), Decision::Nothing, "{row:?}");
        }
    }

    #[test]
    fn what_comes_within_three_seconds_of_a_push_goes_together() {
        let told = [told(5, "ann", 0), told(6, "ann", 10)];
        let row = Candidate { sent_seq: 4, sent_at_ms: 1_000_000, ..bob() };
        let wait = Decision::Wait { until_ms: 3_000, from_seq: 5 };
        assert_eq!(of(&told, &row, false, 1_000), wait);
        let Decision::Push { count, .. } = of(&told, &row, false, 3_000) else { panic!() };
        assert_eq!(count, 2);
        let future = Candidate { sent_at_ms: 9_000_000, ..row };
        let Decision::Wait { until_ms, .. } = of(&told, &future, false, 0) else { panic!() };
        assert_eq!(until_ms, 3_000, "the clock was set back");
    }

    proptest! {
        /// Whatever the cursors are: nothing is told that reached the user, and nothing is left undecided.
        #[test]
        fn every_message_is_told_reached_or_waited_for(
            (delivered_seq, read_seq, sent_seq) in (0..20_u64, 0..20_u64, 0..20_u64),
            from_seq in 1..20_u64,
            seqs in proptest::collection::btree_set(1..20_u64, 1..8),
            (is_connected, ms, sent_at_ms) in (any::<bool>(), 0..30_000_u64, 0..40_000_u64),
        ) {
            let told: Vec<_> = seqs.iter().map(|seq| told(*seq, "ann", seq * 100)).collect();
            let row = Candidate {
                delivered_seq, read_seq, sent_seq, from_seq, sent_at_ms: 1_000_000 + sent_at_ms, ..bob()
            };
            let lacking: Vec<u64> = seqs.iter().copied()
                .filter(|seq| *seq > delivered_seq.max(read_seq).max(sent_seq) && *seq >= from_seq)
                .collect();
            match of(&told, &row, is_connected, ms) {
                Decision::Nothing => prop_assert!(lacking.is_empty()),
                Decision::Push { newest, count, .. } => {
                    prop_assert_eq!(Some(&newest.seq), lacking.last());
                    prop_assert_eq!(count as usize, lacking.len());
                    prop_assert!(!is_connected || ms >= lacking[0] * 100 + TIMES.after_ms);
                }
                Decision::Wait { until_ms, from_seq } => {
                    prop_assert_eq!(Some(&from_seq), lacking.first());
                    prop_assert!(until_ms > ms);
                    prop_assert!(until_ms <= ms + TIMES.after_ms.max(TIMES.between_ms) + 2_000);
                }
            }
        }
    }
}
