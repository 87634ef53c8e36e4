//! What a push needs to know of an entry, kept while somebody may still receive it by themselves. Pure.

use proto::id::{ConversationKey, EntryId, UserId, UserName};
use serde::Deserialize;
use uuid::Uuid;

use super::edited::mentions;
use super::rules::{Facts, Mute};
use crate::domain::body::ChangeKind;
use crate::domain::entry::{Body, Class, DeviceType, Entry, StoredEntry};
use crate::domain::state::EditContent;
use crate::store::push::PushPlace;
use crate::store::tail::{LogKind, Position, TailRow};

/// What is kept of a text: what a notification shows.
const TEXT_CHARS: usize = 200;
/// Mentions of one entry that are kept.
const MENTIONS: usize = 100;

/// An entry that members may have to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the table of rules")]
pub(super) struct Told {
    pub(super) seq: u64,
    pub(super) position: Position,
    pub(super) id: EntryId,
    pub(super) author: UserId,
    /// Empty when unknown.
    pub(super) author_name: String,
    pub(super) mentions: Vec<UserName>,
    pub(super) is_important: bool,
    pub(super) is_notice: bool,
    /// Of a notice of the tenant's log its id, by which it is known whom it is for.
    pub(super) notice: Option<Uuid>,
    /// A notice that wakes devices, and passes a mute.
    pub(super) is_high: bool,
    /// What a notice is called.
    pub(super) title: Option<String>,
    pub(super) is_call: bool,
    pub(super) is_in_thread: bool,
    /// For devices of this type alone.
    pub(super) device_type: Option<DeviceType>,
    /// The message, where it is an edit of one.
    pub(super) target: Option<u64>,
    /// What may be told of its content.
    pub(super) text: Option<String>,
    /// When this process read it, by its own clock in milliseconds.
    pub(super) seen_ms: u64,
}

/// What an entry of the tail means for pushes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Members may have to be told.
    Told(Box<Told>),
    /// A message was edited: users whom it did not name before may have to be told.
    Edited(EditOf),
    /// Messages were deleted: what was told of them is taken back.
    Deleted(Vec<u64>),
    /// Nothing.
    Nothing,
}

/// An edit that names users.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EditOf {
    /// The message.
    pub(super) target: u64,
    /// As it is told, if it names somebody whom the message did not name before.
    pub(super) told: Box<Told>,
}

/// Reads an entry. `now_ms` is of the wall, `seen_ms` of this process, `oldest_ms` the time before which nobody wants to
/// hear of a message any more.
pub(super) fn news(row: &TailRow, now_ms: u64, oldest_ms: u64, seen_ms: u64) -> News {
    let entry = &row.entry.entry;
    if entry.body.kind() == "delete" {
        return News::Deleted(deleted(entry));
    }
    let is_over = entry.expires_at_ms.is_some_and(|at| at <= now_ms);
    // Blank: deleted before this was read.
    let is_blank = entry.body.content().len() <= 2;
    if is_over || is_blank || entry.created_at_ms < oldest_ms {
        return News::Nothing;
    }
    if let (Body::Change(ChangeKind::Edit, content), Some(target)) = (&entry.body, entry.target) {
        return of_edit(row, content, target, seen_ms);
    }
    if entry.body.class() != Class::Message {
        return News::Nothing;
    }
    let Some(message) = entry.body.message() else { return News::Nothing };
    let is_notice = entry.body.kind() == "notice";
    let head = if is_notice { Head::of(entry.body.content()) } else { Head::default() };
    // Devices hear of it with their next heartbeat.
    if head.priority == "low" {
        return News::Nothing;
    }
    News::Told(Box::new(Told {
        seq: entry.seq,
        position: row.position,
        id: entry.id,
        author: entry.author.id.clone(),
        author_name: row.entry.sender_name.clone(),
        mentions: message.mentions.iter().take(MENTIONS).cloned().collect(),
        is_important: message.is_important,
        is_notice,
        notice: (row.kind == LogKind::Notices).then_some(entry.client_id.0),
        is_high: head.priority == "high",
        title: head.title,
        is_call: entry.body.kind() == "call",
        is_in_thread: entry.thread.is_some() && !entry.also_in_main,
        device_type: entry.device_type,
        target: None,
        text: text_of(entry.body.kind(), entry.body.content()),
        seen_ms,
    }))
}

/// An edit, which is told to nobody but whom it names.
fn of_edit(row: &TailRow, content: &str, target: u64, seen_ms: u64) -> News {
    let mentions = mentions(content);
    if mentions.is_empty() {
        return News::Nothing;
    }
    let entry = &row.entry.entry;
    let edit = serde_json::from_str::<EditContent<'_>>(content).ok();
    let told = Told {
        seq: entry.seq,
        position: row.position,
        id: entry.id,
        author: entry.author.id.clone(),
        author_name: row.entry.sender_name.clone(),
        mentions: mentions.into_iter().take(MENTIONS).collect(),
        is_important: false,
        is_notice: false,
        notice: None,
        is_high: false,
        title: None,
        is_call: false,
        is_in_thread: entry.thread.is_some() && !entry.also_in_main,
        device_type: entry.device_type,
        target: Some(target),
        text: edit.and_then(|edit| text_in(edit.content.get())),
        seen_ms,
    };
    News::Edited(EditOf { target, told: Box::new(told) })
}

/// An entry as a push tells it, whenever that is; none where nothing is pushed.
pub(super) fn entry_told(entry: StoredEntry, kind: LogKind) -> Option<Told> {
    match news(&TailRow { position: Position::default(), kind, entry }, 0, 0, 0) {
        News::Told(told) => Some(*told),
        News::Edited(_) | News::Deleted(_) | News::Nothing => None,
    }
}

/// What a push needs to know of a notice.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    title: Option<String>,
    priority: String,
}

impl Head {
    fn of(content: &str) -> Self {
        let head: Self = serde_json::from_str(content).unwrap_or_default();
        let title = head.title.filter(|title| !title.is_empty());
        Self { title, ..head }
    }
}

/// The messages that an entry deletes, at most 100: as its target, or as ranges of seqs.
fn deleted(entry: &Entry) -> Vec<u64> {
    if let Some(target) = entry.target {
        return vec![target];
    }
    let content: serde_json::Value = serde_json::from_str(entry.body.content()).unwrap_or_default();
    let ranges = content["seqs"].as_array().cloned().unwrap_or_default();
    let range = |range: &serde_json::Value| match (range[0].as_u64(), range[1].as_u64()) {
        (Some(first), Some(last)) => first..last.saturating_add(1),
        _ => range.as_u64().map_or(0..0, |seq| seq..seq.saturating_add(1)),
    };
    ranges.iter().flat_map(range).take(100).collect()
}

/// What a notification shows of a content. Nothing of what is encrypted, and nothing of what has no text.
pub(super) fn text_of(kind: &str, content: &str) -> Option<String> {
    if kind == "encrypted" { None } else { text_in(content) }
}

fn text_in(content: &str) -> Option<String> {
    let content: serde_json::Value = serde_json::from_str(content).ok()?;
    let text = ["text", "body", "fallback"].iter().find_map(|field| content[*field].as_str())?;
    let shown: String = text.chars().take(TEXT_CHARS).collect();
    Some(if shown.len() < text.len() { format!("{shown}…") } else { shown })
}

impl Told {
    /// What the rules look at, for a member.
    pub(super) fn facts(
        &self,
        user_id: &UserId,
        place: &PushPlace,
        mute: Option<Mute>,
        now_ms: u64,
    ) -> Facts {
        Facts {
            is_own: self.author == *user_id,
            is_silent: false,
            is_call: self.is_call,
            is_notice: self.is_notice,
            is_important: self.is_important,
            is_mention: self.mentions.iter().any(|name| name.as_str() == user_id.name_str()),
            is_edit: self.target.is_some(),
            is_in_thread: self.is_in_thread,
            is_large: place.is_large,
            is_direct: place.kind == crate::domain::entry::ConversationKind::Direct,
            mute: mute.filter(|_| !self.is_high),
            now_ms,
        }
    }

    /// Whether members of a large conversation who are not named may have to be told.
    pub(super) fn is_for_all(&self) -> bool {
        self.is_important || self.is_notice || self.is_call
    }
}

/// The conversation of an entry of the tail.
pub(super) fn key(row: &TailRow) -> ConversationKey {
    row.entry.entry.conversation()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::entry::MessageKind;
    use crate::domain::entry::tests::text as entry;

    /// A plain message by this user, read at a time.
    pub(in crate::push) fn told(seq: u64, author: &str, seen_ms: u64) -> Told {
        let author = UserId::parse_qualified(author).unwrap();
        match news(&row(entry(seq, &author)), 0, 0, seen_ms) {
            News::Told(told) => *told,
            other => panic!("{other:?}"),
        }
    }

    fn text(body: &Body) -> Option<String> {
        text_of(body.kind(), body.content())
    }

    fn row(entry: Entry) -> TailRow {
        let entry =
            StoredEntry { entry, sender_name: "Ann".to_owned(), sender_avatar: String::new() };
        TailRow { position: Position(7), kind: LogKind::Group, entry }
    }

    #[test]
    fn messages_are_told_and_other_entries_are_not() {
        let ann = UserId::parse_qualified("ann").unwrap();
        let of = |entry: Entry| news(&row(entry), 1_000, 0, 0);
        assert!(matches!(of(entry(1, &ann)), News::Told(_)));
        let pin = Entry { body: Body::Pin { on: true }, target: Some(1), ..entry(2, &ann) };
        assert_eq!(of(pin), News::Nothing);
        assert_eq!(of(Entry { expires_at_ms: Some(1_000), ..entry(1, &ann) }), News::Nothing);
        let mut blank = entry(1, &ann);
        blank.body.cut(|_| "{}".to_owned());
        assert_eq!(of(blank), News::Nothing);
        assert_eq!(news(&row(entry(1, &ann)), 1_000, 2, 0), News::Nothing, "too old");
        let delete = |content: &str, target| Entry {
            body: Body::Other { kind: "delete".to_owned(), content: content.to_owned() },
            target,
            ..entry(3, &ann)
        };
        assert_eq!(of(delete("{}", Some(1))), News::Deleted(vec![1]));
        assert_eq!(of(delete(r#"{"seqs":[[3,5],[9,9]]}"#, None)), News::Deleted(vec![3, 4, 5, 9]));
        let endless = format!(r#"{{"seqs":[[0,{}]]}}"#, u64::MAX);
        let News::Deleted(seqs) = of(delete(&endless, None)) else { panic!() };
        assert_eq!(seqs.len(), 100);
    }

    #[test]
    fn notices_are_told_by_their_priority_and_by_what_they_are_called() {
        let ann = UserId::parse_qualified("ann").unwrap();
        let of = |priority: &str, kind| {
            let mut notice = entry(1, &ann);
            if let Body::Message(message) = &mut notice.body {
                message.kind = MessageKind::Notice;
                message.content = format!(r#"{{"title":"t","body":"b","priority":"{priority}"}}"#);
            }
            let id = notice.client_id.0;
            (news(&TailRow { kind, ..row(notice) }, 0, 0, 0), id)
        };
        assert_eq!(of("low", LogKind::Notices).0, News::Nothing);
        let (News::Told(told), id) = of("high", LogKind::Notices) else { panic!() };
        assert!(told.is_notice && told.is_high);
        assert_eq!((told.notice, told.title.as_deref()), (Some(id), Some("t")));
        let (News::Told(told), _) = of("normal", LogKind::Group) else { panic!() };
        assert_eq!((told.notice, told.is_high), (None, false));
    }

    #[test]
    fn of_a_text_its_beginning_is_kept_and_of_what_is_encrypted_nothing() {
        let ann = UserId::parse_qualified("ann").unwrap();
        let mut long = entry(1, &ann);
        long.body.cut(|_| format!(r#"{{"text":"{}"}}"#, "é".repeat(900)));
        assert_eq!(text(&long.body).unwrap().chars().count(), TEXT_CHARS + 1);
        let secret = Body::Other {
            kind: "encrypted".to_owned(),
            content: r#"{"text":"hunter2"}"#.to_owned(),
        };
        assert_eq!(text(&secret), None);
        let Body::Message(message) = entry(1, &ann).body else { panic!() };
        let notice = Body::Message(crate::domain::entry::Message {
            kind: MessageKind::Notice,
            content: r#"{"title":"t","body":"b"}"#.to_owned(),
            ..message
        });
        assert_eq!(text(&notice).as_deref(), Some("b"));
    }
}
