//! The statements of [`super::PushStore`], for a store with a writing and a reading pool.

/// Implements [`super::PushStore`].
macro_rules! push_store {
    ($store:ty, $database:ty, $row:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::push::PushStore for $store {
            async fn keep_push_device(
                &self,
                device: &push::PushDevice,
                most: u32,
            ) -> Result<(), StoreError> {
                let (tenant, user) = (device.user_id.tenant().as_str(), device.user_id.name_str());
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                sqlx::query(push::TAKE_OVER)
                    .bind(tenant)
                    .bind(user)
                    .bind(device.device_id.as_str())
                    .bind(device.provider.code())
                    .bind(&device.token_sha256)
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query(push::KEEP_DEVICE)
                    .bind(tenant)
                    .bind(user)
                    .bind(device.device_id.as_str())
                    .bind(device.provider.code())
                    .bind(&device.token)
                    .bind(&device.token_sha256)
                    .bind(&device.app)
                    .bind(&device.locale)
                    .bind(device.content.map(push::PushContent::code))
                    .bind(device.seen_at_ms as i64)
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query(push::TOO_MANY)
                    .bind(tenant)
                    .bind(user)
                    .bind(i64::from(most.max(1)))
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                line.done();
                Ok(())
            }

            async fn push_devices(
                &self,
                users: &[UserId],
            ) -> Result<Vec<push::PushDevice>, StoreError> {
                let sql = push::devices_of(dialect::GIVEN_USERS);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_users(query, users).fetch_all(&self.$readers).await?;
                rows.iter().filter_map(|row| push_device(row).transpose()).collect()
            }

            async fn drop_push_device(
                &self,
                user_id: &UserId,
                device_id: Option<&proto::id::DeviceId>,
            ) -> Result<bool, StoreError> {
                let dropped = sqlx::query(push::DROP_DEVICE)
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .bind(device_id.map_or("", |id| id.as_str()))
                    .execute(&self.$writers)
                    .await?;
                Ok(dropped.rows_affected() > 0)
            }

            async fn drop_dead_token(
                &self,
                device: &push::PushDevice,
                since_ms: u64,
            ) -> Result<bool, StoreError> {
                let dropped = sqlx::query(push::DROP_DEAD_TOKEN)
                    .bind(device.user_id.tenant().as_str())
                    .bind(device.user_id.name_str())
                    .bind(device.device_id.as_str())
                    .bind(&device.token_sha256)
                    .bind(since_ms.min(i64::MAX as u64) as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(dropped.rows_affected() > 0)
            }

            async fn forget_push_devices(&self, seen_before_ms: u64) -> Result<u64, StoreError> {
                let gone = sqlx::query(push::FORGET_DEVICES)
                    .bind(seen_before_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(gone.rows_affected())
            }

            async fn push_places(
                &self,
                keys: &[ConversationKey],
                members: u32,
            ) -> Result<Vec<push::PushPlace>, StoreError> {
                let places: Vec<_> = keys.iter().map(|key| (*key, 0)).collect();
                let sql = push::places(dialect::GIVEN_PLACES, members);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_places(query, &places).fetch_all(&self.$readers).await?;
                rows.iter()
                    .map(|row| {
                        Ok(push::PushPlace {
                            key: push_key(row)?,
                            kind: reading::code::kind_of(row.try_get("kind")?),
                            title: row.try_get("title")?,
                            is_large: row.try_get::<i64, _>("members")? > i64::from(members),
                        })
                    })
                    .collect()
            }

            async fn push_candidates(
                &self,
                places: &[(ConversationKey, u64)],
            ) -> Result<Vec<push::Candidate>, StoreError> {
                let sql = push::candidates(dialect::GIVEN_PLACES);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_places(query, places).fetch_all(&self.$readers).await?;
                rows.iter().map(push_candidate).collect()
            }

            async fn push_candidates_of(
                &self,
                key: ConversationKey,
                seq: u64,
                of: push::Of<'_>,
                limit: u32,
            ) -> Result<Vec<push::Candidate>, StoreError> {
                let (after, names) = match of {
                    push::Of::Named(names) => (None, Some(names)),
                    push::Of::After(after) => (after, None),
                };
                let among = if names.is_some() { dialect::AMONG_SIXTH } else { "$6 = $6" };
                let sql = push::candidates_of(among);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .bind(after.map_or("", UserName::as_str))
                    .bind(i64::from(limit));
                let query = match names {
                    Some(names) => query.bind(dialect::names(names)),
                    None => query.bind(""),
                };
                let rows = query.fetch_all(&self.$readers).await?;
                rows.iter().map(push_candidate).collect()
            }

            async fn notice_candidates(
                &self,
                log: ConversationKey,
                after: Option<&UserName>,
                limit: u32,
            ) -> Result<Vec<push::Candidate>, StoreError> {
                let rows = sqlx::query(push::NOTICE_CANDIDATES)
                    .bind(log.tenant.as_str())
                    .bind(dialect::id(log.id.0))
                    .bind(after.map_or("", UserName::as_str))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                let candidate = |row: &$row| {
                    let number = |name: &str| row.try_get::<i64, _>(name).map(|it| it as u64);
                    Ok(push::Candidate {
                        key: log,
                        user_id: reading::user_name(row.try_get("user_id")?)?.of(log.tenant),
                        // Everybody reads it, from wherever they came.
                        from_seq: 1,
                        delivered_seq: number("delivered_seq")?,
                        read_seq: number("read_seq")?,
                        sent_seq: number("sent_seq")?,
                        sent_at_ms: number("sent_at_ms")?,
                    })
                };
                rows.iter().map(candidate).collect()
            }

            async fn push_badges(
                &self,
                users: &[UserId],
            ) -> Result<Vec<(UserId, u32)>, StoreError> {
                let sql = push::badges(dialect::GIVEN_USERS);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_users(query, users).fetch_all(&self.$readers).await?;
                rows.iter()
                    .map(|row| Ok((push_user(row)?, row.try_get::<i64, _>("unread")? as u32)))
                    .collect()
            }

            async fn keep_pushed(&self, sent: &[push::PushSent]) -> Result<(), StoreError> {
                let mut sent: Vec<_> = sent.iter().collect();
                if sent.is_empty() {
                    return Ok(());
                }
                // In one order, so that two batches never wait for each other; each place once.
                sent.sort_unstable_by(|one, other| {
                    (&one.user_id, one.key.id.0, other.seq).cmp(&(
                        &other.user_id,
                        other.key.id.0,
                        one.seq,
                    ))
                });
                sent.dedup_by(|later, kept| later.user_id == kept.user_id && later.key == kept.key);
                let mut insert = sqlx::QueryBuilder::<$database>::new(
                    "INSERT INTO push_sent (tenant, user_id, conversation_id, seq, at_ms) ",
                );
                insert.push_values(&sent, |mut row, sent| {
                    row.push_bind(sent.user_id.tenant().as_str())
                        .push_bind(sent.user_id.name_str())
                        .push_bind(dialect::id(sent.key.id.0))
                        .push_bind(sent.seq as i64)
                        .push_bind(sent.at_ms as i64);
                });
                insert.push(push::KEEP_SENT);
                insert.build().execute(&self.$writers).await?;
                Ok(())
            }

            async fn pushed(
                &self,
                places: &[(UserId, ConversationKey)],
            ) -> Result<Vec<push::PushSent>, StoreError> {
                if places.is_empty() {
                    return Ok(Vec::new());
                }
                let mut select = sqlx::QueryBuilder::<$database>::new(
                    "SELECT tenant, user_id, conversation_id, seq, at_ms FROM push_sent \
                     WHERE (tenant, user_id, conversation_id) IN (",
                );
                select.push_values(places, |mut row, (user_id, key)| {
                    row.push_bind(user_id.tenant().as_str())
                        .push_bind(user_id.name_str())
                        .push_bind(dialect::id(key.id.0));
                });
                select.push(")");
                let rows = select.build().fetch_all(&self.$readers).await?;
                rows.iter().map(push_sent).collect()
            }

            async fn pushed_for(
                &self,
                key: ConversationKey,
                seq: u64,
            ) -> Result<Vec<push::PushSent>, StoreError> {
                let rows = sqlx::query(push::SENT_FOR)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(push_sent).collect()
            }

            async fn pushed_for_notice(
                &self,
                log: ConversationKey,
                seq: u64,
            ) -> Result<Vec<push::PushSent>, StoreError> {
                let rows = sqlx::query(push::SENT_FOR_NOTICE)
                    .bind(log.tenant.as_str())
                    .bind(dialect::id(log.id.0))
                    .bind(seq as i64)
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().map(push_sent).collect()
            }

            async fn pushed_and_read(
                &self,
                after: Option<&push::PushSent>,
                limit: u32,
            ) -> Result<(Vec<push::PushSent>, Option<push::PushSent>), StoreError> {
                let rows = sqlx::query(push::SENT_AND_READ)
                    .bind(after.map_or("", |sent| sent.user_id.tenant().as_str()))
                    .bind(after.map_or("", |sent| sent.user_id.name_str()))
                    .bind(dialect::id(after.map_or(uuid::Uuid::nil(), |sent| sent.key.id.0)))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                let mut read = Vec::new();
                let mut last = None;
                for row in &rows {
                    let sent = push_sent(row)?;
                    if row.try_get::<i64, _>("read_seq")? as u64 >= sent.seq {
                        read.push(sent.clone());
                    }
                    last = Some(sent);
                }
                Ok((read, last.filter(|_| rows.len() == limit as usize)))
            }

            async fn drop_pushed(&self, sent: &[push::PushSent]) -> Result<(), StoreError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                let mut sent: Vec<_> = sent.iter().collect();
                sent.sort_unstable_by_key(|sent| (sent.user_id.clone(), sent.key.id.0));
                for sent in sent {
                    sqlx::query(push::DROP_SENT)
                        .bind(sent.user_id.tenant().as_str())
                        .bind(sent.user_id.name_str())
                        .bind(dialect::id(sent.key.id.0))
                        .bind(sent.seq as i64)
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
                line.done();
                Ok(())
            }

            async fn keep_push_retry(&self, retry: &push::PushRetry) -> Result<(), StoreError> {
                sqlx::query(push::KEEP_RETRY)
                    .bind(retry.user_id.tenant().as_str())
                    .bind(dialect::id(retry.id))
                    .bind(retry.user_id.name_str())
                    .bind(retry.device_id.as_str())
                    .bind(retry.provider.code())
                    .bind(&retry.note)
                    .bind(i64::from(retry.attempt))
                    .bind(&retry.reason)
                    .bind(retry.made_at_ms as i64)
                    .bind(retry.next_at_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn due_push_retries(
                &self,
                now_ms: u64,
                latest_ms: u64,
                limit: u32,
            ) -> Result<Vec<push::PushRetry>, StoreError> {
                let rows = sqlx::query(push::DUE)
                    .bind(now_ms as i64)
                    .bind(i64::from(limit))
                    .bind(latest_ms as i64)
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().filter_map(|row| push_retry(row).transpose()).collect()
            }

            async fn push_retries_of(
                &self,
                key: ConversationKey,
            ) -> Result<Vec<push::PushRetry>, StoreError> {
                let rows = sqlx::query(push::RETRIES_OF)
                    .bind(key.tenant.as_str())
                    .bind(format!("%{}%", key.id.0))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().filter_map(|row| push_retry(row).transpose()).collect()
            }

            async fn drop_push_retry(
                &self,
                tenant: TenantId,
                id: uuid::Uuid,
            ) -> Result<(), StoreError> {
                sqlx::query(push::DROP_RETRY)
                    .bind(tenant.as_str())
                    .bind(dialect::id(id))
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn trim_push_retries(&self, most: u32) -> Result<u64, StoreError> {
                let gone = sqlx::query(push::TRIM_RETRIES)
                    .bind(i64::from(most))
                    .execute(&self.$writers)
                    .await?;
                Ok(gone.rows_affected())
            }

            async fn keep_dead_push(&self, dead: &push::DeadPush) -> Result<(), StoreError> {
                sqlx::query(push::KEEP_DEAD)
                    .bind(dead.user_id.tenant().as_str())
                    .bind(dialect::id(dead.id))
                    .bind(dead.user_id.name_str())
                    .bind(dead.device_id.as_str())
                    .bind(dead.provider.code())
                    .bind(dialect::id(dead.key.id.0))
                    .bind(dead.seq as i64)
                    .bind(i64::from(dead.attempts))
                    .bind(&dead.reason)
                    .bind(dead.at_ms as i64)
                    .execute(&self.$writers)
                    .await?;
                Ok(())
            }

            async fn dead_pushes(
                &self,
                tenant: TenantId,
                before: Option<(u64, uuid::Uuid)>,
                limit: u32,
            ) -> Result<Vec<push::DeadPush>, StoreError> {
                let (at_ms, id) = before.unwrap_or((i64::MAX as u64, uuid::Uuid::max()));
                let rows = sqlx::query(push::DEAD)
                    .bind(tenant.as_str())
                    .bind(at_ms as i64)
                    .bind(dialect::id(id))
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().filter_map(|row| dead_push(row).transpose()).collect()
            }

            async fn dead_pushes_from(
                &self,
                key: ConversationKey,
                seq: u64,
            ) -> Result<Vec<push::DeadPush>, StoreError> {
                let rows = sqlx::query(push::DEAD_FROM)
                    .bind(key.tenant.as_str())
                    .bind(dialect::id(key.id.0))
                    .bind(seq as i64)
                    .fetch_all(&self.$readers)
                    .await?;
                rows.iter().filter_map(|row| dead_push(row).transpose()).collect()
            }

            async fn trim_dead_pushes(&self, most: u32) -> Result<(), StoreError> {
                sqlx::query(push::TRIM_DEAD).bind(i64::from(most)).execute(&self.$writers).await?;
                Ok(())
            }
        }

        fn push_user(row: &$row) -> Result<UserId, StoreError> {
            Ok(reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?)
        }

        fn push_key(row: &$row) -> Result<ConversationKey, StoreError> {
            let id = ConversationId(dialect::uuid(row, "conversation_id")?);
            Ok(ConversationKey::new(reading::tenant(row.try_get("tenant")?)?, id))
        }

        fn push_device_id(row: &$row) -> Result<proto::id::DeviceId, StoreError> {
            let text: &str = row.try_get("device_id")?;
            Ok(proto::id::DeviceId::parse(text).map_err(|_| reading::corrupt("device id"))?)
        }

        /// None for a provider of a later version.
        fn push_provider(row: &$row) -> Result<Option<::push::Provider>, StoreError> {
            Ok(::push::Provider::of(row.try_get("provider")?))
        }

        fn push_device(row: &$row) -> Result<Option<push::PushDevice>, StoreError> {
            let Some(provider) = push_provider(row)? else { return Ok(None) };
            Ok(Some(push::PushDevice {
                user_id: push_user(row)?,
                device_id: push_device_id(row)?,
                provider,
                token: row.try_get("token")?,
                token_sha256: row.try_get("token_sha256")?,
                app: row.try_get("app")?,
                locale: row.try_get("locale")?,
                content: row.try_get::<Option<i64>, _>("content")?.map(push::PushContent::of),
                seen_at_ms: row.try_get::<i64, _>("seen_at_ms")? as u64,
            }))
        }

        fn push_candidate(row: &$row) -> Result<push::Candidate, StoreError> {
            let number = |name: &str| row.try_get::<i64, _>(name).map(|it| it as u64);
            Ok(push::Candidate {
                key: push_key(row)?,
                user_id: push_user(row)?,
                from_seq: number("from_seq")?,
                delivered_seq: number("delivered_seq")?,
                read_seq: number("read_seq")?,
                sent_seq: number("sent_seq")?,
                sent_at_ms: number("sent_at_ms")?,
            })
        }

        fn push_sent(row: &$row) -> Result<push::PushSent, StoreError> {
            Ok(push::PushSent {
                user_id: push_user(row)?,
                key: push_key(row)?,
                seq: row.try_get::<i64, _>("seq")? as u64,
                at_ms: row.try_get::<i64, _>("at_ms")? as u64,
            })
        }

        fn push_retry(row: &$row) -> Result<Option<push::PushRetry>, StoreError> {
            let Some(provider) = push_provider(row)? else { return Ok(None) };
            Ok(Some(push::PushRetry {
                id: dialect::uuid(row, "id")?,
                user_id: push_user(row)?,
                device_id: push_device_id(row)?,
                provider,
                note: row.try_get("note")?,
                attempt: row.try_get::<i64, _>("attempt")? as u32,
                reason: row.try_get("reason")?,
                made_at_ms: row.try_get::<i64, _>("made_at_ms")? as u64,
                next_at_ms: row.try_get::<i64, _>("next_at_ms")? as u64,
            }))
        }

        fn dead_push(row: &$row) -> Result<Option<push::DeadPush>, StoreError> {
            let Some(provider) = push_provider(row)? else { return Ok(None) };
            Ok(Some(push::DeadPush {
                id: dialect::uuid(row, "id")?,
                user_id: push_user(row)?,
                device_id: push_device_id(row)?,
                provider,
                key: push_key(row)?,
                seq: row.try_get::<i64, _>("seq")? as u64,
                attempts: row.try_get::<i64, _>("attempts")? as u32,
                reason: row.try_get("reason")?,
                at_ms: row.try_get::<i64, _>("at_ms")? as u64,
            }))
        }
    };
}

pub(in crate::store) use push_store;
