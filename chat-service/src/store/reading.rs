//! The questions, written once for both databases.
//!
//! Postgres and SQLite understand the same text but for lists and ids. An adapter supplies a module
//! `dialect` for those and calls [`query_store!`].

/// What a list or a single conversation shows. The head is read from the log's own key: there is no
/// counter that could disagree with it.
pub(super) const CONVERSATION_VIEW: &str = "
SELECT c.id, CAST(c.kind AS bigint) AS kind, c.title, c.created_at_ms AS made_at_ms,
    (SELECT count(*) FROM members x
        WHERE x.tenant = c.tenant AND x.conversation_id = c.id) AS member_count,
    CAST(m.role AS bigint) AS role, m.from_seq, m.delivered_seq, m.read_seq,
    (SELECT count(*) FROM (SELECT 1 FROM entries u
        WHERE u.tenant = c.tenant AND u.conversation_id = c.id AND u.seq > m.read_seq
            AND u.sender_id <> m.user_id AND u.kind <> 'system' LIMIT 1000) n) AS unread,
    e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content, e.reply_to,
    e.mentions, e.is_important, e.extra, e.created_at_ms,
    COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar,
    COALESCE(i.name, '') AS my_name, COALESCE(i.avatar, '') AS my_avatar
FROM members m
JOIN conversations c ON c.tenant = m.tenant AND c.id = m.conversation_id
LEFT JOIN entries e ON e.tenant = c.tenant AND e.conversation_id = c.id
    AND e.seq = (SELECT max(h.seq) FROM entries h WHERE h.tenant = c.tenant AND h.conversation_id = c.id)
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
LEFT JOIN users i ON i.tenant = m.tenant AND i.id = m.user_id
WHERE m.tenant = $1 AND m.user_id = $2";

/// An entry with its sender's present name.
pub(super) const ENTRY: &str = "
SELECT e.conversation_id, e.seq, e.id AS entry_id, e.kind AS entry_kind, e.sender_id, e.client_id, e.content,
    e.reply_to, e.mentions, e.is_important, e.extra, e.created_at_ms,
    COALESCE(s.name, '') AS sender_name, COALESCE(s.avatar, '') AS sender_avatar
FROM entries e
LEFT JOIN users s ON s.tenant = e.tenant AND s.id = e.sender_id
WHERE e.tenant = $1 AND e.conversation_id = $2 AND e.seq >= $3";

/// Of every conversation of a user: one index look-up each.
pub(super) const HEADS: &str = "
SELECT m.conversation_id, m.from_seq,
    COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id), 0) AS head
FROM members m WHERE m.tenant = $1 AND m.user_id = $2";

/// The same of many users; the list of users is appended.
pub(super) const HEADS_OF: &str = "
SELECT m.user_id, m.conversation_id,
    COALESCE((SELECT max(e.seq) FROM entries e
        WHERE e.tenant = m.tenant AND e.conversation_id = m.conversation_id), 0) AS head
FROM members m WHERE m.tenant = $1 AND m.user_id ";

pub(super) const MEMBERS: &str = "
SELECT m.user_id, CAST(m.role AS bigint) AS role, m.from_seq, m.delivered_seq, m.read_seq,
    COALESCE(u.name, '') AS name, COALESCE(u.avatar, '') AS avatar
FROM members m LEFT JOIN users u ON u.tenant = m.tenant AND u.id = m.user_id
WHERE m.tenant = $1 AND m.conversation_id = $2 AND m.user_id > $3
ORDER BY m.user_id LIMIT $4";

pub(super) const SEARCH_USERS: &str = r"
SELECT id, name, avatar FROM users
WHERE tenant = $1 AND (lower(id) LIKE $2 ESCAPE '\' OR lower(name) LIKE $2 ESCAPE '\')
ORDER BY id LIMIT $3";

/// A prefix as a LIKE pattern, with its own wildcards made harmless.
pub(super) fn like_prefix(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Numbers of kinds and roles in the tables. Never change one.
pub(super) mod code {
    use crate::domain::entry::{ConversationKind, Role};

    pub(crate) fn kind(kind: ConversationKind) -> i16 {
        match kind {
            ConversationKind::Direct => 1,
            ConversationKind::Group => 2,
        }
    }

    pub(crate) fn kind_of(code: i64) -> ConversationKind {
        if code == 1 { ConversationKind::Direct } else { ConversationKind::Group }
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

/// A value that our own code wrote and cannot be read back.
pub(super) fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a stored {what} is malformed").into())
}

/// Implements [`super::QueryStore`] for a store with a field `readers` (a pool).
macro_rules! query_store {
    ($store:ty, $row:ty) => {
        #[async_trait::async_trait]
        impl crate::store::QueryStore for $store {
            async fn conversations_of(
                &self,
                user_id: &UserId,
                after: Option<ListPlace>,
                limit: u32,
            ) -> Result<Vec<ConversationView>, StoreError> {
                const SQL: &str = " AND (COALESCE(e.created_at_ms, c.created_at_ms), c.id) < ($3, $4)
                    ORDER BY COALESCE(e.created_at_ms, c.created_at_ms) DESC, c.id DESC LIMIT $5";
                let place = after.unwrap_or(ListPlace {
                    active_at_ms: i64::MAX as u64,
                    id: ConversationId(uuid::Uuid::max()),
                });
                let sql = format!("{}{SQL}", reading::CONVERSATION_VIEW);
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(DEFAULT_TENANT)
                    .bind(user_id.as_str())
                    .bind(place.active_at_ms as i64)
                    .bind(dialect::id(place.id.0))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| view(row, user_id)).collect()
            }

            async fn conversation(
                &self,
                user_id: &UserId,
                id: ConversationId,
            ) -> Result<Option<ConversationView>, StoreError> {
                let sql = format!("{} AND m.conversation_id = $3", reading::CONVERSATION_VIEW);
                let row = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(DEFAULT_TENANT)
                    .bind(user_id.as_str())
                    .bind(dialect::id(id.0))
                    .fetch_optional(&self.readers)
                    .await?;
                row.as_ref().map(|row| view(row, user_id)).transpose()
            }

            async fn members(
                &self,
                id: ConversationId,
                after: Option<&UserId>,
                limit: u32,
            ) -> Result<Vec<MemberView>, StoreError> {
                let rows = sqlx::query(reading::MEMBERS)
                    .bind(DEFAULT_TENANT)
                    .bind(dialect::id(id.0))
                    .bind(after.map_or("", UserId::as_str))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row| {
                        let user = user(row, "user_id", "name", "avatar")?;
                        member(row, user)
                    })
                    .collect()
            }

            async fn entries(
                &self,
                id: ConversationId,
                page: Page,
                from_seq: u64,
                limit: u32,
            ) -> Result<Vec<StoredEntry>, StoreError> {
                let (place, seq) = match page {
                    Page::Before(seq) => (" AND e.seq < $4 ORDER BY e.seq DESC LIMIT $5", seq),
                    Page::After(seq) => (" AND e.seq > $4 ORDER BY e.seq LIMIT $5", seq),
                };
                let sql = format!("{}{place}", reading::ENTRY);
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(DEFAULT_TENANT)
                    .bind(dialect::id(id.0))
                    .bind(from_seq as i64)
                    .bind(seq.min(i64::MAX as u64) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                let entries: Result<Vec<_>, _> = rows.iter().map(|row| entry(row, id)).collect();
                let mut entries = entries?;
                if let Page::Before(_) = page {
                    entries.reverse();
                }
                Ok(entries)
            }

            async fn heads(&self, user_id: &UserId) -> Result<Vec<(ConversationId, u64, u64)>, StoreError> {
                let rows = sqlx::query(reading::HEADS)
                    .bind(DEFAULT_TENANT)
                    .bind(user_id.as_str())
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter()
                    .map(|row: &$row| {
                        let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                        Ok((id, number(row, "head")?, number(row, "from_seq")?))
                    })
                    .collect()
            }

            async fn head_digests(&self, users: &[UserId]) -> Result<Vec<HeadsDigest>, StoreError> {
                let sql = format!("{}{}", reading::HEADS_OF, dialect::IN_SECOND_LIST);
                let rows: Vec<$row> = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(DEFAULT_TENANT)
                    .bind(dialect::texts(users.iter().map(UserId::as_str)))
                    .fetch_all(&self.readers)
                    .await?;
                let mut digests: HashMap<&str, HeadsDigest> = HashMap::with_capacity(users.len());
                for row in &rows {
                    let id = ConversationId(dialect::uuid(row, "conversation_id")?);
                    digests
                        .entry(row.try_get("user_id")?)
                        .or_default()
                        .add(id, number(row, "head")?);
                }
                let of = |user: &UserId| digests.get(user.as_str()).copied().unwrap_or_default();
                Ok(users.iter().map(of).collect())
            }

            async fn find_entry(
                &self,
                id: uuid::Uuid,
            ) -> Result<Option<(ConversationId, u64)>, StoreError> {
                let mut row = sqlx::query(finding::FIND_ENTRY)
                    .bind(DEFAULT_TENANT)
                    .bind(dialect::id(id))
                    .fetch_optional(&self.readers)
                    .await?;
                if let (None, Some((first, last))) = (&row, finding::about(id)) {
                    row = sqlx::query(finding::FIND_ENTRY_ABOUT)
                        .bind(DEFAULT_TENANT)
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
                let sql = format!(
                    "SELECT id, name, avatar FROM users WHERE tenant = $1 AND id {}",
                    dialect::IN_SECOND_LIST
                );
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(DEFAULT_TENANT)
                    .bind(dialect::texts(ids.iter().map(UserId::as_str)))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| user(row, "id", "name", "avatar")).collect()
            }

            async fn search_users(&self, prefix: &str, limit: u32) -> Result<Vec<UserRow>, StoreError> {
                let rows = sqlx::query(reading::SEARCH_USERS)
                    .bind(DEFAULT_TENANT)
                    .bind(reading::like_prefix(prefix))
                    .bind(i64::from(limit))
                    .fetch_all(&self.readers)
                    .await?;
                rows.iter().map(|row| user(row, "id", "name", "avatar")).collect()
            }

            async fn epoch(&self) -> Result<String, StoreError> {
                let sql = "SELECT CAST(epoch AS text) FROM store_epoch";
                Ok(sqlx::query_scalar(sql).fetch_one(&self.readers).await?)
            }
        }

        fn view(row: &$row, user_id: &UserId) -> Result<ConversationView, StoreError> {
            let id = ConversationId(dialect::uuid(row, "id")?);
            let last_entry = match row.try_get::<Option<i64>, _>("seq")? {
                Some(_) => Some(entry(row, id)?),
                None => None,
            };
            let me = UserRow {
                id: user_id.clone(),
                name: row.try_get("my_name")?,
                avatar: row.try_get("my_avatar")?,
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

        fn user(row: &$row, id: &str, name: &str, avatar: &str) -> Result<UserRow, StoreError> {
            Ok(UserRow {
                id: parse_user(row.try_get(id)?)?,
                name: row.try_get(name)?,
                avatar: row.try_get(avatar)?,
            })
        }

        fn entry(row: &$row, conversation_id: ConversationId) -> Result<StoredEntry, StoreError> {
            let mentions: Option<&str> = row.try_get("mentions")?;
            let mentions = match mentions {
                Some(json) => serde_json::from_str(json).map_err(|_| reading::corrupt("mention list"))?,
                None => Vec::new(),
            };
            Ok(StoredEntry {
                entry: EntryRow {
                    conversation_id,
                    seq: number(row, "seq")?,
                    id: proto::id::EntryId(dialect::uuid(row, "entry_id")?),
                    kind: row.try_get("entry_kind")?,
                    sender_id: parse_user(row.try_get("sender_id")?)?,
                    client_id: ClientId(dialect::uuid(row, "client_id")?),
                    digest: 0,
                    content: row.try_get("content")?,
                    reply_to: row.try_get::<Option<i64>, _>("reply_to")?.map(|seq| seq as u64),
                    mentions,
                    is_important: row.try_get("is_important")?,
                    extra: row.try_get("extra")?,
                    created_at_ms: number(row, "created_at_ms")?,
                },
                sender_name: row.try_get("sender_name")?,
                sender_avatar: row.try_get("sender_avatar")?,
            })
        }

        fn number(row: &$row, column: &str) -> Result<u64, StoreError> {
            Ok(row.try_get::<i64, _>(column)? as u64)
        }

        fn parse_user(id: &str) -> Result<UserId, StoreError> {
            Ok(UserId::parse(id).map_err(|_| reading::corrupt("user id"))?)
        }
    };
}

pub(super) use query_store;
