//! The statements of [`super::NoticeStore`], for a store with a writing and a reading pool.

/// Implements [`super::NoticeStore`].
macro_rules! notice_store {
    ($store:ty, $database:ty, $row:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl notices::NoticeStore for $store {
            async fn keep_notice(&self, notice: &Notice) -> Result<Option<Notice>, StoreError> {
                let audience = serde_json::to_string(&notice.audience).unwrap_or_default();
                let kept = sqlx::query(notices::KEEP)
                    .bind(notice.tenant.as_str())
                    .bind(dialect::id(notice.id))
                    .bind(dialect::id(notice.conversation_id.0))
                    .bind(audience)
                    .bind(&notice.content)
                    .bind(notice.priority.code() as i64)
                    .bind(notice.created_by.as_str())
                    .bind(notice.created_at_ms as i64)
                    .bind(notice.starts_at_ms as i64)
                    .bind(notice.expires_at_ms as i64)
                    .bind(notice.targets.map(|targets| targets as i64))
                    .bind(notice.work.code() as i64)
                    .execute(&self.$writers)
                    .await?;
                if kept.rows_affected() > 0 {
                    return Ok(None);
                }
                notices::NoticeStore::notice(self, notice.tenant, notice.id).await
            }

            async fn notice(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
            ) -> Result<Option<Notice>, StoreError> {
                let row = sqlx::query(notices::ONE)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .fetch_optional(&self.$writers)
                    .await?;
                row.as_ref().map(notice_in).transpose()
            }

            async fn notices_of(
                &self,
                tenant: TenantId,
                ids: &[uuid::Uuid],
            ) -> Result<HashMap<uuid::Uuid, Notice>, StoreError> {
                if ids.is_empty() {
                    return Ok(HashMap::new());
                }
                let mut query = sqlx::QueryBuilder::<$database>::new(notices::SOME);
                query.push_bind(tenant.as_str()).push(" AND n.id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(dialect::id(*id));
                }
                query.push(")");
                let rows = query.build().fetch_all(&self.$readers).await?;
                let named = |row: &$row| notice_in(row).map(|notice| (notice.id, notice));
                rows.iter().map(named).collect()
            }

            async fn notices(
                &self,
                tenant: TenantId,
                before: Option<(u64, uuid::Uuid)>,
                limit: u32,
            ) -> Result<Vec<Notice>, StoreError> {
                let (before_ms, id) = before.unwrap_or((reading::EVER, uuid::Uuid::max()));
                let rows = sqlx::query(notices::LIST)
                    .bind(tenant.as_str())
                    .bind(before_ms.min(reading::EVER) as i64)
                    .bind(dialect::id(id))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(notice_in).collect()
            }

            async fn standing_notices(
                &self,
                log: ConversationKey,
                now_ms: u64,
                limit: u32,
            ) -> Result<Vec<Notice>, StoreError> {
                let rows = sqlx::query(notices::STANDING)
                    .bind(log.tenant.as_str())
                    .bind(dialect::id(log.id.0))
                    .bind(now_ms as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(notice_in).collect()
            }

            async fn claim_notices(
                &self,
                now_ms: u64,
                until_ms: u64,
                limit: u32,
            ) -> Result<Vec<Notice>, StoreError> {
                let rows = sqlx::query(notices::CLAIM)
                    .bind(now_ms as i64)
                    .bind(until_ms as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$writers)
                    .await?;
                let mut claimed = Vec::with_capacity(rows.len());
                for row in &rows {
                    let tenant = reading::tenant(row.try_get("tenant")?)?;
                    let id = dialect::uuid(row, "id")?;
                    claimed.extend(notices::NoticeStore::notice(self, tenant, id).await?);
                }
                claimed.sort_by_key(|notice| (notice.starts_at_ms, notice.created_at_ms));
                Ok(claimed)
            }

            async fn did_notice(
                &self,
                notice: &Notice,
                seq: Option<u64>,
                next: crate::domain::notice::Work,
            ) -> Result<(), StoreError> {
                let done = sqlx::query(notices::DID)
                    .bind(notice.tenant.as_str())
                    .bind(dialect::id(notice.id))
                    .bind(seq.map(|seq| seq as i64))
                    .bind(notice.work.code() as i64)
                    .bind(next.code() as i64)
                    .execute(&self.$writers)
                    .await?;
                if let (0, Some(seq)) = (done.rows_affected(), seq) {
                    sqlx::query(notices::PLACED)
                        .bind(notice.tenant.as_str())
                        .bind(dialect::id(notice.id))
                        .bind(seq as i64)
                        .execute(&self.$writers)
                        .await?;
                }
                Ok(())
            }

            async fn withdraw_notice(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
                now_ms: u64,
            ) -> Result<Option<Notice>, StoreError> {
                sqlx::query(notices::WITHDRAW)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .bind(now_ms as i64)
                    .bind(crate::domain::notice::Work::Withdraw.code() as i64)
                    .execute(&self.$writers)
                    .await?;
                notices::NoticeStore::notice(self, tenant, id).await
            }

            async fn notices_head(&self, log: ConversationKey) -> Result<u64, StoreError> {
                let head: i64 = sqlx::query_scalar(notices::HEAD)
                    .bind(log.tenant.as_str())
                    .bind(dialect::id(log.id.0))
                    .fetch_one(&self.$readers)
                    .await?;
                Ok(head as u64)
            }

            async fn advance_notice_cursors(
                &self,
                cursors: &notices::NoticeCursors,
                now_ms: u64,
            ) -> Result<(), StoreError> {
                let notices::NoticeCursors { log, delivered_seq, read_seq, users } = cursors;
                let users: std::collections::BTreeSet<&UserName> = users.iter().collect();
                if users.is_empty() {
                    return Ok(());
                }
                let head = notices::NoticeStore::notices_head(self, *log).await?;
                let standing = notices::NoticeStore::standing_notices(
                    self,
                    *log,
                    // What was sent a moment ago may have ended since.
                    now_ms.saturating_sub(notices::GATHERED_MS),
                    notices::NEWEST,
                );
                // What a user is sent who has no row yet.
                let from = standing.await?.last().and_then(|first| first.seq).unwrap_or(head + 1);
                let read_seq = *read_seq.min(&head);
                let delivered_seq = (*delivered_seq).min(head).max(read_seq);
                // In one order, so that two batches never wait for each other.
                let mut insert = sqlx::QueryBuilder::<$database>::new(
                    "INSERT INTO notice_cursors (tenant, user_id, from_seq, delivered_seq, read_seq) ",
                );
                insert.push_values(users, |mut row, user| {
                    row.push_bind(log.tenant.as_str())
                        .push_bind(user.as_str())
                        .push_bind(from as i64)
                        .push_bind(delivered_seq as i64)
                        .push_bind(read_seq as i64);
                });
                insert
                    .push(" ON CONFLICT (tenant, user_id) DO UPDATE SET delivered_seq = ")
                    .push(dialect::GREATEST)
                    .push("(notice_cursors.delivered_seq, excluded.delivered_seq), read_seq = ")
                    .push(dialect::GREATEST)
                    .push("(notice_cursors.read_seq, excluded.read_seq) WHERE ")
                    .push("notice_cursors.delivered_seq < excluded.delivered_seq OR ")
                    .push("notice_cursors.read_seq < excluded.read_seq");
                insert.build().execute(&self.$writers).await?;
                Ok(())
            }

            async fn notices_read(&self, user_id: &UserId) -> Result<u64, StoreError> {
                let read: Option<i64> = sqlx::query_scalar(notices::READ)
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .fetch_optional(&self.$readers)
                    .await?;
                Ok(read.unwrap_or_default() as u64)
            }

            async fn mark_notice(
                &self,
                marking: &notices::Marking,
            ) -> Result<notices::Marked, StoreError> {
                let notices::Marking { user_id, notice, mark, client_id, at_ms } = marking;
                let marked = || async {
                    sqlx::query(notices::MARKED)
                        .bind(user_id.tenant().as_str())
                        .bind(dialect::id(*notice))
                        .bind(user_id.name_str())
                        .bind(mark.code() as i64)
                        .fetch_optional(&self.$writers)
                        .await
                };
                let is_free = if crate::planted::NOTICE_CLAIM_NOT_ATOMIC {
                    marked().await?.is_none()
                } else {
                    false
                };
                sqlx::query(notices::MARK)
                    .bind(user_id.tenant().as_str())
                    .bind(dialect::id(*notice))
                    .bind(user_id.name_str())
                    .bind(mark.code() as i64)
                    .bind(*at_ms as i64)
                    .bind(dialect::id(client_id.0))
                    .execute(&self.$writers)
                    .await?;
                let Some(row) = marked().await? else {
                    return Err(reading::corrupt("receipt").into());
                };
                let is_ours = dialect::uuid(&row, "client_id")? == client_id.0;
                Ok(notices::Marked { is_first: is_ours || is_free, at_ms: number(&row, "at_ms")? })
            }

            async fn notice_counts(
                &self,
                notice: &Notice,
            ) -> Result<notices::NoticeCounts, StoreError> {
                let (tenant, id) = (notice.tenant.as_str(), dialect::id(notice.id));
                let rows = sqlx::query(notices::COUNT_MARKS)
                    .bind(tenant)
                    .bind(id.clone())
                    .fetch_all(&self.$readers)
                    .await?;
                let mut counts = notices::NoticeCounts::default();
                for row in &rows {
                    let (hour_ms, users) = (number(row, "hour_ms")?, number(row, "users")?);
                    let Some(mark) = NoticeMark::of(number(row, "mark")?) else { continue };
                    counts.marks.add(mark, users);
                    if counts.by_hour.last().is_none_or(|(last, _)| *last != hour_ms) {
                        counts.by_hour.push((hour_ms, notices::MarkCounts::default()));
                    }
                    if let Some((_, hour)) = counts.by_hour.last_mut() {
                        hour.add(mark, users);
                    }
                }
                counts.by_hour.truncate(notices::MOST_HOURS);
                let Some(seq) = notice.seq else { return Ok(counts) };
                let seq = seq as i64;
                let count = match &notice.audience {
                    Audience::All => sqlx::query_scalar::<$database, i64>(notices::COUNT_CURSORS)
                        .bind(tenant)
                        .bind(seq),
                    Audience::Conversation(log) => sqlx::query_scalar::<$database, i64>(notices::COUNT_MEMBERS)
                        .bind(tenant)
                        .bind(dialect::id(log.0))
                        .bind(seq),
                    // A cursor says nothing of devices that were sent a blank entry.
                    _ => sqlx::query_scalar::<$database, i64>(notices::COUNT_ANY).bind(tenant).bind(id),
                };
                counts.delivered = count.fetch_one(&self.$readers).await? as u64;
                Ok(counts)
            }

            async fn count_users(&self, tenant: TenantId) -> Result<u64, StoreError> {
                let query = sqlx::query_scalar(notices::COUNT_USERS).bind(tenant.as_str());
                Ok(query.fetch_one(&self.$readers).await.map(|users: i64| users as u64)?)
            }

            async fn ask_resend(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
                now_ms: u64,
                between_ms: u64,
            ) -> Result<bool, StoreError> {
                let asked = sqlx::query(notices::ASK_RESEND)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .bind(now_ms as i64)
                    .bind(between_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(asked.rows_affected() > 0)
            }

            async fn resends(
                &self,
                since_ms: u64,
                limit: u32,
            ) -> Result<Vec<(Notice, u64)>, StoreError> {
                let rows = sqlx::query(notices::RESENDS)
                    .bind(since_ms as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(|row| Ok((notice_in(row)?, number(row, "resend_asked_ms")?))).collect()
            }

            async fn did_resend(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
                asked_ms: u64,
            ) -> Result<(), StoreError> {
                sqlx::query(notices::DID_RESEND)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .bind(asked_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn notice_marked(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
                users: &[UserName],
            ) -> Result<std::collections::HashSet<UserName>, StoreError> {
                if users.is_empty() {
                    return Ok(std::collections::HashSet::new());
                }
                let mut query = sqlx::QueryBuilder::<$database>::new(notices::MARKED_AMONG);
                query.push_bind(tenant.as_str()).push(" AND r.notice_id = ");
                query.push_bind(dialect::id(id)).push(" AND r.user_id IN (");
                let mut list = query.separated(", ");
                for user in users {
                    list.push_bind(user.as_str());
                }
                query.push(")");
                let rows = query.build().fetch_all(&self.$readers).await?;
                rows.iter().map(|row| Ok(reading::user_name(row.try_get("user_id")?)?)).collect()
            }

            async fn notice_receipts(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
                mark: Option<NoticeMark>,
                after: Option<(&UserName, NoticeMark)>,
                limit: u32,
            ) -> Result<Vec<notices::Receipt>, StoreError> {
                let rows = sqlx::query(notices::RECEIPTS)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .bind(mark.map_or(0, NoticeMark::code) as i64)
                    .bind(after.map_or("", |(user, _)| user.as_str()))
                    .bind(after.map_or(0, |(_, mark)| mark.code()) as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                let receipt = |row: &$row| -> Result<notices::Receipt, StoreError> {
                    Ok(notices::Receipt {
                        user: reading::user_name(row.try_get("user_id")?)?,
                        mark: mark_in(row)?,
                        at_ms: number(row, "at_ms")?,
                    })
                };
                rows.iter().map(receipt).collect()
            }

            async fn own_receipts(
                &self,
                user_id: &UserId,
                ids: &[uuid::Uuid],
            ) -> Result<Vec<(uuid::Uuid, NoticeMark, u64)>, StoreError> {
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                let mut query = sqlx::QueryBuilder::<$database>::new(notices::OWN_RECEIPTS);
                query.push_bind(user_id.tenant().as_str()).push(" AND r.user_id = ");
                query.push_bind(user_id.name_str()).push(" AND r.notice_id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(dialect::id(*id));
                }
                query.push(")");
                let rows = query.build().fetch_all(&self.$readers).await?;
                let own = |row: &$row| -> Result<_, StoreError> {
                    let id = dialect::uuid(row, "notice_id")?;
                    Ok((id, mark_in(row)?, number(row, "at_ms")?))
                };
                rows.iter().map(own).collect()
            }
        }

        fn mark_in(row: &$row) -> Result<NoticeMark, StoreError> {
            let mark = NoticeMark::of(number(row, "mark")?);
            Ok(mark.ok_or_else(|| reading::corrupt("receipt"))?)
        }

        fn notice_in(row: &$row) -> Result<Notice, StoreError> {
            let audience: &str = row.try_get("audience")?;
            Ok(Notice {
                tenant: reading::tenant(row.try_get("tenant")?)?,
                id: dialect::uuid(row, "id")?,
                conversation_id: ConversationId(dialect::uuid(row, "conversation_id")?),
                seq: some_number(row, "seq")?,
                audience: serde_json::from_str(audience)
                    .map_err(|_| reading::corrupt("audience"))?,
                content: row.try_get("content")?,
                priority: crate::domain::notice::Priority::of(number(row, "priority")?),
                created_by: reading::user_name(row.try_get("created_by")?)?,
                created_at_ms: number(row, "created_at_ms")?,
                starts_at_ms: number(row, "starts_at_ms")?,
                expires_at_ms: number(row, "expires_at_ms")?,
                withdrawn_at_ms: some_number(row, "withdrawn_at_ms")?,
                targets: some_number(row, "targets")?,
                work: crate::domain::notice::Work::of(number(row, "work")?),
                attempts: number(row, "attempts")?,
            })
        }
    };
}

pub(in crate::store) use notice_store;
