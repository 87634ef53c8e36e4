//! Which messages a member is told of by a push: a table of rules, of which the first that fits decides. Pure.
//!
//! It is the one place that decides this: `GET /api/v1/me/conversations/{id}` shows what it says as `effective`.

use serde::Serialize;

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing is pushed.
    None,
    /// A push that the device may show when it wakes.
    Push,
    /// A push that wakes the device.
    Urgent,
}

impl Action {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Push => "push",
            Self::Urgent => "urgent",
        }
    }
}

/// A row of the table. The order is that in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The user wrote it.
    Own,
    /// The sender asked that nobody is disturbed.
    Silent,
    /// A call that rings.
    Call,
    /// It names the user, who muted the conversation but not mentions.
    MutedMention,
    /// The user muted the conversation.
    Muted,
    /// It names the user.
    Mention,
    /// It is an edit, which names the user no more than the message did.
    Edit,
    /// The sender asked for attention.
    Important,
    /// What an operator wrote.
    Notice,
    /// It is said in a thread alone.
    Thread,
    /// A conversation with more members than a large one.
    Large,
    /// A conversation of two.
    Direct,
    /// A group.
    Group,
}

/// What a row does by default, whether the configuration may change that, and what it is called.
const TABLE: [(Rule, &str, Action, bool); 13] = [
    (Rule::Own, "own", Action::None, false),
    (Rule::Silent, "silent", Action::None, false),
    (Rule::Call, "call", Action::Urgent, true),
    (Rule::MutedMention, "muted_mention", Action::Urgent, true),
    (Rule::Muted, "muted", Action::None, false),
    (Rule::Mention, "mention", Action::Urgent, true),
    (Rule::Edit, "edit", Action::None, false),
    (Rule::Important, "important", Action::Urgent, true),
    (Rule::Notice, "notice", Action::Push, true),
    (Rule::Thread, "thread", Action::None, false),
    (Rule::Large, "large", Action::None, true),
    (Rule::Direct, "direct", Action::Urgent, true),
    (Rule::Group, "group", Action::Push, true),
];

/// Rows of features that do not exist yet: named, so that nobody takes them for a mistake, and refused.
const LATER: [&str; 5] =
    ["reaction", "followed_thread", "keyword", "contact_request", "join_request"];

impl Rule {
    /// As the configuration, a push and `effective` name it.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }
}

/// How a user muted a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mute {
    /// Until when, in Unix milliseconds.
    pub until_ms: u64,
    /// Mentions pass.
    pub mentions: bool,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the table")]
pub struct Facts {
    pub is_own: bool,
    pub is_silent: bool,
    pub is_call: bool,
    pub is_notice: bool,
    pub is_important: bool,
    /// It names the user.
    pub is_mention: bool,
    /// It is an edit.
    pub is_edit: bool,
    /// It is said in a thread alone.
    pub is_in_thread: bool,
    pub is_large: bool,
    pub is_direct: bool,
    pub mute: Option<Mute>,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// A mistake in `[push.rules]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is no change.
    #[error("push.rules: `{0}`: expected a rule and none, push or urgent, such as large=push")]
    Form(String),
    /// There is no such row.
    #[error("push.rules: {0}: there is no such rule; there are {1}")]
    Unknown(String, String),
    /// The row is of a feature that does not exist yet.
    #[error("push.rules: {0}: this rule is of a later version; remove it")]
    Later(String),
    /// The row cannot be changed.
    #[error("push.rules: {0}: this rule cannot be changed; remove it")]
    Fixed(String),
}

/// The table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules([Action; TABLE.len()]);

impl Default for Rules {
    fn default() -> Self {
        Self(TABLE.map(|(_, _, action, _)| action))
    }
}

impl Rules {
    /// The table as the configuration changes it, by texts such as `large=push`.
    pub fn new(changes: &[String]) -> Result<Self, Vec<RuleError>> {
        let mut rules = Self::default();
        let mut wrong = Vec::new();
        for change in changes {
            match read(change) {
                Ok((place, action)) => rules.0[place] = action,
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    /// The first row that fits, and what it does.
    pub fn decide(&self, facts: &Facts) -> (Rule, Action) {
        let rule = first(facts);
        (rule, self.0[rule as usize])
    }

    /// Whether members of large conversations are told of ordinary messages.
    pub fn tells_large(&self) -> bool {
        self.0[Rule::Large as usize] != Action::None
    }

    /// What a member gets of ordinary messages and of mentions, for showing it to them.
    pub fn effective(
        &self,
        is_direct: bool,
        is_large: bool,
        mute: Option<Mute>,
        now_ms: u64,
    ) -> Effective {
        let facts = Facts { is_large, is_direct, mute, now_ms, ..Facts::default() };
        let (rule, action) = self.decide(&facts);
        let (_, mention) = self.decide(&Facts { is_mention: true, ..facts });
        let push = match (action, mention) {
            (Action::None, Action::None) => "none",
            (Action::None, _) => "mentions",
            _ => "all",
        };
        Effective { push, rule: rule.name() }
    }
}

/// A change of the table: which row, and what it does.
fn read(change: &str) -> Result<(usize, Action), RuleError> {
    let form = || RuleError::Form(change.to_owned());
    let (name, action) = change.split_once('=').ok_or_else(form)?;
    let name = name.trim();
    let action = match action.trim() {
        "none" => Action::None,
        "push" => Action::Push,
        "urgent" => Action::Urgent,
        _ => return Err(form()),
    };
    match TABLE.iter().position(|(_, row, _, _)| *row == name) {
        Some(place) if TABLE[place].3 => Ok((place, action)),
        Some(_) => Err(RuleError::Fixed(name.to_owned())),
        None if LATER.contains(&name) => Err(RuleError::Later(name.to_owned())),
        None => {
            let known: Vec<_> = TABLE.iter().filter(|row| row.3).map(|row| row.1).collect();
            Err(RuleError::Unknown(name.to_owned(), known.join(", ")))
        }
    }
}

/// What a member is told of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// `all`, `mentions` or `none`.
    pub push: &'static str,
    /// The row that decides of ordinary messages.
    pub rule: &'static str,
}

fn first(facts: &Facts) -> Rule {
    let mute = facts.mute.filter(|mute| mute.until_ms > facts.now_ms);
    match facts {
        it if it.is_own => Rule::Own,
        it if it.is_silent => Rule::Silent,
        it if it.is_call => Rule::Call,
        it if it.is_mention && mute.is_some_and(|mute| mute.mentions) => Rule::MutedMention,
        _ if mute.is_some() => Rule::Muted,
        it if it.is_mention => Rule::Mention,
        it if it.is_edit => Rule::Edit,
        it if it.is_important => Rule::Important,
        it if it.is_notice => Rule::Notice,
        it if it.is_in_thread => Rule::Thread,
        it if it.is_large => Rule::Large,
        it if it.is_direct => Rule::Direct,
        _ => Rule::Group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000;

    fn facts() -> Facts {
        Facts { now_ms: NOW, ..Facts::default() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the table takes it so")]
    fn muted(until_ms: u64, mentions: bool) -> Option<Mute> {
        Some(Mute { until_ms, mentions })
    }

    #[test]
    fn each_row_of_the_table_decides_where_it_stands() {
        let all = Facts {
            is_own: true,
            is_silent: true,
            is_call: true,
            is_notice: true,
            is_important: true,
            is_mention: true,
            is_edit: true,
            is_in_thread: true,
            is_large: true,
            is_direct: true,
            mute: muted(NOW + 1, true),
            now_ms: NOW,
        };
        let rows = [
            (all, Rule::Own, Action::None),
            (Facts { is_own: false, ..all }, Rule::Silent, Action::None),
            (
                Facts { is_mention: true, is_call: true, mute: all.mute, ..facts() },
                Rule::Call,
                Action::Urgent,
            ),
            (
                Facts { is_mention: true, mute: all.mute, ..facts() },
                Rule::MutedMention,
                Action::Urgent,
            ),
            (
                Facts { is_mention: true, mute: muted(NOW + 1, false), ..facts() },
                Rule::Muted,
                Action::None,
            ),
            (Facts { is_important: true, mute: all.mute, ..facts() }, Rule::Muted, Action::None),
            (Facts { is_notice: true, mute: all.mute, ..facts() }, Rule::Muted, Action::None),
            (Facts { is_mention: true, is_edit: true, ..facts() }, Rule::Mention, Action::Urgent),
            (Facts { is_important: true, is_edit: true, ..facts() }, Rule::Edit, Action::None),
            (
                Facts { is_mention: true, is_edit: true, mute: muted(NOW + 1, false), ..facts() },
                Rule::Muted,
                Action::None,
            ),
            (
                Facts { is_important: true, is_large: true, ..facts() },
                Rule::Important,
                Action::Urgent,
            ),
            (Facts { is_notice: true, is_large: true, ..facts() }, Rule::Notice, Action::Push),
            (Facts { is_in_thread: true, is_direct: true, ..facts() }, Rule::Thread, Action::None),
            (Facts { is_large: true, ..facts() }, Rule::Large, Action::None),
            (Facts { is_direct: true, ..facts() }, Rule::Direct, Action::Urgent),
            (facts(), Rule::Group, Action::Push),
        ];
        for (facts, rule, action) in rows {
            assert_eq!(Rules::default().decide(&facts), (rule, action), "{facts:?}");
        }
        for (place, (rule, name, ..)) in TABLE.iter().enumerate() {
            assert_eq!((*rule as usize, rule.name()), (place, *name), "the table is in order");
        }
    }

    #[test]
    fn a_mute_that_is_over_mutes_nothing() {
        let facts = Facts { is_direct: true, mute: muted(NOW, false), ..facts() };
        assert_eq!(Rules::default().decide(&facts).0, Rule::Direct);
    }

    #[test]
    fn what_the_configuration_changes_is_changed_and_what_it_may_not_is_named() {
        let change = |name: &str| Rules::new(&[format!("{name}=push")]);
        let rules = change("large").unwrap();
        assert_eq!(rules.decide(&Facts { is_large: true, ..facts() }), (Rule::Large, Action::Push));
        let said = |name: &str| change(name).unwrap_err().remove(0).to_string();
        assert!(said("own").contains("cannot be changed"));
        assert!(said("muted").contains("cannot be changed"));
        for later in LATER {
            assert!(said(later).contains("later version"), "{later}");
        }
        assert!(said("everything").contains("direct"), "{}", said("everything"));
        for odd in ["", "large", "large=loud", "=push"] {
            assert!(Rules::new(&[odd.to_owned()]).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_shown_to_the_member_is_what_is_decided() {
        let rules = Rules::default();
        let of = |is_direct, is_large, mute| rules.effective(is_direct, is_large, mute, NOW);
        assert_eq!(of(true, false, None), Effective { push: "all", rule: "direct" });
        assert_eq!(of(false, true, None), Effective { push: "mentions", rule: "large" });
        let mentions = muted(NOW + 1, true);
        assert_eq!(of(false, false, mentions), Effective { push: "mentions", rule: "muted" });
        let nothing = muted(NOW + 1, false);
        assert_eq!(of(true, false, nothing), Effective { push: "none", rule: "muted" });
    }
}
