//! The questions, written once for both databases.
//!
//! Postgres and SQLite understand the same text but for lists and ids. An adapter supplies a module
//! `dialect` for those and calls [`query_store!`].

mod messages;
mod sql;

use proto::id::{TenantId, UserId, UserName};

pub(super) use messages::*;
pub(super) use sql::*;

/// A moment after all others, as a database keeps it.
pub(super) const EVER: u64 = i64::MAX as u64;

/// Numbers of kinds and roles in the tables. Never change one.
pub(super) mod code {
    use crate::domain::entry::{ConversationKind, Role};

    /// In lists there are none.
    pub(crate) const SELF_LOG: i16 = 4;

    pub(crate) fn kind(kind: ConversationKind) -> i16 {
        match kind {
            ConversationKind::Direct => 1,
            ConversationKind::Group => 2,
            ConversationKind::SelfLog => SELF_LOG,
            ConversationKind::Notices => 5,
        }
    }

    pub(crate) fn kind_of(code: i64) -> ConversationKind {
        match code {
            1 => ConversationKind::Direct,
            4 => ConversationKind::SelfLog,
            5 => ConversationKind::Notices,
            _ => ConversationKind::Group,
        }
    }

    pub(crate) fn role(role: Role) -> i16 {
        match role {
            Role::Member => 1,
            Role::Admin => 2,
            Role::Owner => 3,
        }
    }

    /// An unknown role, written by a newer build, is the least.
    pub(crate) fn role_of(code: i64) -> Role {
        match code {
            3 => Role::Owner,
            2 => Role::Admin,
            _ => Role::Member,
        }
    }
}

/// Longest name that is shown, in characters; longer ones are from before names were bounded.
const NAME_CHARS: usize = 100;
/// Longest address of a picture that is shown, in bytes.
const AVATAR_BYTES: usize = 2_048;

/// A stored name as it is shown.
pub(super) fn name(stored: &str) -> String {
    stored.chars().take(NAME_CHARS).collect()
}

/// A stored address of a picture as it is shown: half an address would be none.
pub(super) fn avatar(stored: &str) -> String {
    if stored.len() <= AVATAR_BYTES { stored.to_owned() } else { String::new() }
}

/// A value that our own code wrote and cannot be read back.
pub(super) fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a stored {what} is malformed").into())
}

pub(super) fn tenant(stored: &str) -> Result<TenantId, sqlx::Error> {
    TenantId::parse(stored).map_err(|_| corrupt("tenant"))
}

/// A stored user, within its tenant.
pub(super) fn user_name(stored: &str) -> Result<UserName, sqlx::Error> {
    UserName::parse(stored).map_err(|_| corrupt("user id"))
}

pub(super) fn user_id(stored_tenant: &str, stored_name: &str) -> Result<UserId, sqlx::Error> {
    Ok(user_name(stored_name)?.of(tenant(stored_tenant)?))
}

/// Implements [`super::QueryStore`] for a store with a field `readers` (a pool).
macro_rules! query_store {
    ($store:ty, $row:ty) => {
        #[async_trait::async_trait]
        impl crate::store::QueryStore for $store {
            async fn conversations_of(
                &self,
                user_id: &UserId,
                of: Listed,
                walk: Option<&ListWalk>,
                limit: u32,
            ) -> Result<Vec<(ListPlace, ConversationView)>, StoreError> {
                let end = ListPlace {
                    active_at_ms: reading::EVER,
                    id: ConversationId(uuid::Uuid::max()),
                };
                let place = walk.and_then(|walk| walk.after).unwrap_or(end);
                let shown = walk.map_or(&[][..], |walk| &walk.shown);
                let sql = reading::listed_views(dialect::NOT_IN_SIXTH_LIST, dialect::GREATEST);
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .bind(walk.map_or(reading::EVER, |walk| walk.as_of_ms) as i64)
                    .bind(place.active_at_ms as i64)
                    .bind(dialect::id(place.id.0))
                    .bind(dialect::ids(shown))
                    .bind(i64::from(limit))
                    .bind(of.device_type.map(DeviceType::code))
                    .bind(of.archived)
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let view = view(row, user_id)?;
                        let active_at_ms = number(row, "active_at_ms")?;
                        Ok((ListPlace { active_at_ms, id: view.id }, view))
                    })
                    .collect()
            }

            async fn membership(
                &self,
                user_id: &UserId,
                id: ConversationId,
            ) -> Result<Option<Membership>, StoreError> {
                let row = sqlx::query(reading::MEMBERSHIP)
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .bind(dialect::id(id.0))
                    .fetch_optional(&self.readers)
                    .await?;
                let membership = |row: &$row| -> Result<_, StoreError> {
                    let (from_seq, head) = (number(row, "from_seq")?, number(row, "head")?);
                    Ok(Membership { from_seq, head })
                };
                row.as_ref().map(membership).transpose()
            }

            async fn conversation(
                &self,
                user_id: &UserId,
                device_type: Option<DeviceType>,
                id: ConversationId,
            ) -> Result<Option<ConversationView>, StoreError> {
                let row = sqlx::query(sqlx::AssertSqlSafe(reading::one_view()))
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .bind(dialect::id(id.0))
                    .bind(device_type.map(DeviceType::code))
                    .fetch_optional(&self.readers)
                    .await?;
                row.as_ref().map(|row| view(row, user_id)).transpose()
            }

            async fn members(
                &self,
                key: ConversationKey,
                after: Option<&UserName>,
                limit: u32,
            ) -> Result<Vec<MemberView>, StoreError> {
                let rows = sqlx::query(reading::MEMBERS)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(after.map_or("", UserName::as_str))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let user = user(row, key.tenant, "user_id")?;
                        member(row, user)
                    })
                    .collect()
            }

            async fn entries(
                &self,
                key: ConversationKey,
                page: Page,
                from_seq: u64,
                room: Room,
            ) -> Result<Vec<StoredEntry>, StoreError> {
                let (Page::Before(seq) | Page::After(seq)) = page;
                let rows = sqlx::query(sqlx::AssertSqlSafe(reading::entries_page(page, false)))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(from_seq.min(reading::EVER) as i64)
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(i64::from(room.entries))
                    .bind(room.bytes as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let entries: Result<Vec<_>, _> = rows.iter().map(|row| entry(row, key)).collect();
                let mut entries = entries?;
                if let Page::Before(_) = page {
                    entries.reverse();
                }
                Ok(entries)
            }

            async fn entries_with_states(
                &self,
                key: ConversationKey,
                page: Page,
                from_seq: u64,
                room: Room,
            ) -> Result<MessagesView, StoreError> {
                let (Page::Before(seq) | Page::After(seq)) = page;
                let sql = reading::entries_page(page, true);
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(from_seq.min(reading::EVER) as i64)
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(i64::from(room.entries))
                    .bind(room.bytes as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let mut view = MessagesView::default();
                for row in &rows {
                    view.head = some_number(row, "head")?.unwrap_or_default();
                    let (stored, state) = (entry(row, key)?, state(row)?);
                    view.messages.push(MessageView { stored, state });
                }
                view.messages.sort_unstable_by_key(|message| message.stored.entry.seq);
                Ok(view)
            }

            async fn messages(
                &self,
                key: ConversationKey,
                page: MessagePage,
                from_seq: u64,
                room: Room,
            ) -> Result<MessagesView, StoreError> {
                let (seq, before, after) = page.parts(room.entries);
                let rows = sqlx::query(sqlx::AssertSqlSafe(reading::messages_page(page)))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(from_seq.min(reading::EVER) as i64)
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(i64::from(before))
                    .bind(room.bytes as i64)
                    .bind(i64::from(after))
                    .fetch_all(&self.readers)
                    .await?;
                messages(&rows, key)
            }

            async fn changed(
                &self,
                key: ConversationKey,
                range: std::ops::RangeInclusive<u64>,
                after: u64,
                limit: u32,
            ) -> Result<ChangedView, StoreError> {
                let rows = sqlx::query(reading::CHANGED)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind((*range.start()).min(reading::EVER) as i64)
                    .bind((*range.end()).min(reading::EVER) as i64)
                    .bind(after.min(reading::EVER) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                changed(&rows, key)
            }

            async fn edits(
                &self,
                key: ConversationKey,
                seq: u64,
                limit: u32,
            ) -> Result<Vec<StoredEntry>, StoreError> {
                let rows = sqlx::query(sqlx::AssertSqlSafe(reading::edits()))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq.min(reading::EVER) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| entry(row, key)).collect()
            }

            async fn pins(
                &self,
                key: ConversationKey,
                from_seq: u64,
                before: u64,
                limit: u32,
            ) -> Result<Vec<PinnedView>, StoreError> {
                let rows = sqlx::query(reading::PINS)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(from_seq as i64)
                    .bind(reading::EVER.min(before) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| pinned(row, key)).collect()
            }

            async fn find_entry(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
            ) -> Result<Option<(ConversationId, u64)>, StoreError> {
                let mut row = sqlx::query(finding::FIND_ENTRY)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .fetch_optional(&self.readers)
                    .await?;
                if let (None, Some((first, last))) = (&row, finding::about(id)) {
                    row = sqlx::query(finding::FIND_ENTRY_ABOUT)
                        .bind(tenant.as_str())
                        .bind(dialect::id(id))
                        .bind(dialect::id(first))
                        .bind(dialect::id(last))
                        .fetch_optional(&self.readers)
                        .await?;
                }
                let place = |row: &$row| -> Result<_, StoreError> {
                    let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                    Ok((id, number(row, "seq")?))
                };
                row.as_ref().map(place).transpose()
            }

            async fn users(&self, ids: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
                let query = sqlx::query(sqlx::AssertSqlSafe(reading::users(dialect::GIVEN_USERS)));
                let rows = dialect::bind_users(query, ids).fetch_all(&self.readers).await?;
                rows.iter()
                    .map(|row| user(row, reading::tenant(row.try_get("tenant")?)?, "id"))
                    .collect()
            }

            async fn search_users(
                &self,
                tenant: TenantId,
                prefix: &str,
                limit: u32,
            ) -> Result<Vec<UserRow>, StoreError> {
                let (from, to) = crate::domain::fold::prefix_range(prefix);
                let rows = sqlx::query(reading::SEARCH_USERS)
                    .bind(tenant.as_str())
                    .bind(from)
                    .bind(to)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| user(row, tenant, "id")).collect()
            }

            async fn epoch(&self) -> Result<String, StoreError> {
                let sql = "SELECT CAST(epoch AS text) FROM store_epoch";
                Ok(sqlx::query_scalar(sql).fetch_one(&self.readers).await?)
            }
        }

        fn view(row: &$row, user_id: &UserId) -> Result<ConversationView, StoreError> {
            let id = ConversationId(dialect::uuid(row, "id")?);
            let last_entry = match row.try_get::<Option<i64>, _>("seq")? {
                Some(_) => {
                    let mut last = entry(row, ConversationKey::new(user_id.tenant(), id))?;
                    let bytes = number(row, "content_bytes")?;
                    last.entry.body.cut(|content| {
                        let is_whole = bytes == content.len() as u64;
                        crate::domain::preview::preview(content, is_whole)
                    });
                    Some(last)
                }
                None => None,
            };
            let me = UserRow {
                id: user_id.clone(),
                name: reading::name(row.try_get("my_name")?),
                avatar: reading::avatar(row.try_get("my_avatar")?),
            };
            Ok(ConversationView {
                id,
                kind: reading::code::kind_of(row.try_get("kind")?),
                title: row.try_get("title")?,
                head: last_entry.as_ref().map_or(0, |last| last.entry.seq),
                created_at_ms: number(row, "made_at_ms")?,
                member_count: number(row, "member_count")? as u32,
                me: member(row, me)?,
                unread: number(row, "unread")? as u32,
                unread_mentions: number(row, "unread_mentions")? as u32,
                last_message_seq: some_number(row, "last_message_seq")?,
                last_entry,
            })
        }

        fn member(row: &$row, user: UserRow) -> Result<MemberView, StoreError> {
            Ok(MemberView {
                user,
                role: reading::code::role_of(row.try_get("role")?),
                from_seq: number(row, "from_seq")?,
                delivered_seq: number(row, "delivered_seq")?,
                read_seq: number(row, "read_seq")?,
            })
        }

        fn user(row: &$row, tenant: TenantId, id: &str) -> Result<UserRow, StoreError> {
            Ok(UserRow {
                id: reading::user_name(row.try_get(id)?)?.of(tenant),
                name: reading::name(row.try_get("name")?),
                avatar: reading::avatar(row.try_get("avatar")?),
            })
        }

        fn entry(row: &$row, key: ConversationKey) -> Result<StoredEntry, StoreError> {
            let message = Message {
                kind: MessageKind::Text,
                content: row.try_get("content")?,
                reply_to: some_number(row, "reply_to")?,
                mentions: mentions(row)?,
                mention_all: Message::mentions_all(row.try_get("flags")?),
                forwarded: forwarded(row)?,
                is_important: row.try_get("is_important")?,
                extra: row.try_get("extra")?,
            };
            let body = Body::read(row.try_get("entry_kind")?, message);
            let author = Author {
                id: reading::user_name(row.try_get("sender_id")?)?.of(key.tenant),
                r#type: SenderType::of(row.try_get("sender_type")?, &body),
            };
            let device_type: Option<i64> = row.try_get("device_type")?;
            Ok(StoredEntry {
                entry: Entry {
                    conversation_id: key.id,
                    seq: number(row, "seq")?,
                    id: proto::id::EntryId(dialect::uuid(row, "entry_id")?),
                    author,
                    client_id: ClientId(dialect::uuid(row, "client_id")?),
                    digest: [0; 32],
                    created_at_ms: number(row, "created_at_ms")?,
                    target: some_number(row, "target")?,
                    thread: some_number(row, "thread")?,
                    also_in_main: row.try_get("also_in_main")?,
                    device_type: device_type.and_then(DeviceType::of),
                    expires_at_ms: some_number(row, "expires_at_ms")?,
                    body,
                },
                sender_name: reading::name(row.try_get("sender_name")?),
                sender_avatar: reading::avatar(row.try_get("sender_avatar")?),
            })
        }

        fn mentions(row: &$row) -> Result<Vec<UserName>, StoreError> {
            let stored: Option<&str> = row.try_get("mentions")?;
            let read = stored.map_or(Ok(Vec::new()), serde_json::from_str);
            Ok(read.map_err(|_| reading::corrupt("list of mentions"))?)
        }

        fn forwarded(row: &$row) -> Result<Option<proto::frame::server::Forwarded>, StoreError> {
            let stored: Option<&str> = row.try_get("forwarded")?;
            let read =
                |json| serde_json::from_str(json).map_err(|_| reading::corrupt("source of a copy"));
            Ok(stored.map(read).transpose()?)
        }

        fn pinned(row: &$row, key: ConversationKey) -> Result<PinnedView, StoreError> {
            let mut stored = entry(row, key)?;
            if let Some(state) = state(row)? {
                stored.entry.show_edited(&state);
            }
            stored.entry.body.cut(|content| crate::domain::preview::preview(content, true));
            Ok(PinnedView {
                stored,
                pinned_seq: number(row, "pinned_seq")?,
                by: reading::user_name(row.try_get("by_user")?)?.of(key.tenant),
                pinned_at_ms: number(row, "pinned_at_ms")?,
            })
        }

        fn state(row: &$row) -> Result<Option<State>, StoreError> {
            let json: Option<&str> = row.try_get("state")?;
            let read = |json| State::read(json).ok_or_else(|| reading::corrupt("message state"));
            Ok(json.map(read).transpose()?)
        }

        fn messages(rows: &[$row], key: ConversationKey) -> Result<MessagesView, StoreError> {
            let mut view = MessagesView::default();
            for row in rows {
                view.head = some_number(row, "head")?.unwrap_or_default();
                view.looked_from = some_number(row, "looked_from")?;
                view.looked_to = some_number(row, "looked_to")?;
                view.first_found = some_number(row, "first_found")?;
                view.last_found = some_number(row, "last_found")?;
                if some_number(row, "seq")?.is_some() {
                    let (stored, state) = (entry(row, key)?, state(row)?);
                    view.messages.push(MessageView { stored, state });
                }
            }
            Ok(view)
        }

        fn changed(rows: &[$row], key: ConversationKey) -> Result<ChangedView, StoreError> {
            let mut view = ChangedView::default();
            for row in rows {
                view.head = some_number(row, "head")?.unwrap_or_default();
                let Some(seq) = some_number(row, "seq")? else { continue };
                let sender: Option<&str> = row.try_get("sender_id")?;
                let (Some(state), Some(sender)) = (state(row)?, sender) else { continue };
                let device_type: Option<i64> = row.try_get("device_type")?;
                let limits = Limits {
                    device_type: device_type.and_then(DeviceType::of),
                    expires_at_ms: some_number(row, "expires_at_ms")?,
                    target: None,
                };
                let author = reading::user_name(sender)?.of(key.tenant);
                view.messages.push(ChangedMessage { seq, author, limits, state });
            }
            Ok(view)
        }

        /// What is planned on: see [`Targets`].
        fn targets(rows: &[$row], keys: &[TargetKey]) -> Result<Targets, StoreError> {
            let mut targets = Targets::default();
            for row in rows {
                let place = number(row, "place")? as usize;
                let TargetKey { conversation: key, seq, .. } = keys[place];
                targets.pins.insert(key, number(row, "pins")? as u32);
                let Some(kind) = row.try_get::<Option<&str>, _>("kind")? else { continue };
                let device_type: Option<i64> = row.try_get("device_type")?;
                let state = state(row)?.unwrap_or_default();
                let edits: Option<&str> = row.try_get("edits")?;
                let edits = edits.map_or(Ok(Vec::new()), serde_json::from_str);
                let author = reading::user_name(row.try_get("sender_id")?)?.of(key.tenant);
                let target = Target {
                    kind: kind.to_owned(),
                    author,
                    created_at_ms: number(row, "created_at_ms")?,
                    thread: some_number(row, "thread")?,
                    also_in_main: row.try_get("also_in_main")?,
                    mentions: mentions(row)?,
                    mention_all: Message::mentions_all(row.try_get("flags")?),
                    state,
                    edits: edits.map_err(|_| reading::corrupt("list of edits"))?,
                    device_type: device_type.and_then(DeviceType::of),
                    expires_at_ms: some_number(row, "expires_at_ms")?,
                    is_blank: number(row, "content_bytes")? <= 2,
                    pinned_seq: some_number(row, "pinned_seq")?,
                    tally_due_ms: some_number(row, "tally_due_ms")?,
                };
                targets.entries.insert((key, seq), target);
            }
            Ok(targets)
        }

        fn operation(row: &$row, tenant: TenantId) -> Result<StoredOperation, StoreError> {
            let id = ConversationId(dialect::uuid(row, "conversation_id")?);
            let conversation = ConversationKey::new(tenant, id);
            let kind: Option<&str> = row.try_get("entry_kind")?;
            let entry = kind.map(|_| entry(row, conversation)).transpose()?;
            let digest: Option<&[u8]> = row.try_get("sha256")?;
            Ok(StoredOperation {
                conversation,
                seq: number(row, "seq")?,
                entry_id: proto::id::EntryId(dialect::uuid(row, "entry_id")?),
                created_at_ms: number(row, "created_at_ms")?,
                digest: digest.and_then(crate::domain::said::comparable),
                entry: entry.map(|stored| Box::new(stored.entry)),
            })
        }

        fn delivered(row: &$row) -> Result<Delivered, StoreError> {
            Ok(Delivered {
                conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                user_id: reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?,
                seq: number(row, "delivered_seq")?,
            })
        }

        fn some_number(row: &$row, column: &str) -> Result<Option<u64>, StoreError> {
            Ok(row.try_get::<Option<i64>, _>(column)?.map(|number| number as u64))
        }

        fn number(row: &$row, column: &str) -> Result<u64, StoreError> {
            Ok(row.try_get::<i64, _>(column)? as u64)
        }
    };
}

pub(super) use query_store;
