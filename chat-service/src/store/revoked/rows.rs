//! The statements of [`super::RevokedStore`], for a store with a writing and a reading pool.

use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::domain::revocation::{Cut, What};
use crate::store::reading::corrupt;

/// What a row says, by its column `what`.
pub(in crate::store) fn read_what<R>(row: &R) -> Result<What, sqlx::Error>
where
    R: Row,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    &'static str: ColumnIndex<R>,
{
    What::from_stored(row.try_get::<&str, _>("what")?).ok_or_else(|| corrupt("revocation"))
}

/// How far and how long.
pub(in crate::store) fn read_cut<R>(row: &R) -> Result<Cut, sqlx::Error>
where
    R: Row,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    &'static str: ColumnIndex<R>,
{
    Ok(Cut {
        issued_until_secs: row.try_get::<i64, _>("issued_until_secs")? as u64,
        until_ms: row.try_get::<i64, _>("until_ms")? as u64,
    })
}

/// Implements [`super::RevokedStore`].
macro_rules! revoked_store {
    ($store:ty, $database:ty, $writers:ident, $readers:ident) => {
        #[async_trait::async_trait]
        impl crate::store::revoked::RevokedStore for $store {
            async fn end(
                &self,
                user_id: &UserId,
                ending: &revoked::Ending,
                cut: revocation::Cut,
                bounds: revoked::Bounds,
                now_ms: u64,
            ) -> Result<Vec<revocation::Revocation>, revoked::RevokeError> {
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                let ended = end_in(&mut transaction, user_id, ending, cut, bounds, now_ms).await;
                match &ended {
                    Ok(_) => transaction.commit().await?,
                    // Its connection is closed with it.
                    Err(revoked::RevokeError::Store(_)) => return ended,
                    Err(_) => transaction.rollback().await?,
                }
                line.done();
                ended
            }

            async fn revoked_after(
                &self,
                version: u64,
                limit: u32,
                now_ms: u64,
            ) -> Result<(Vec<revocation::Revocation>, u64), StoreError> {
                // Before the page: what is written in between is in the next one.
                let last: i64 = sqlx::query_scalar(revoked::VERSION)
                    .bind(revoked::LIST.as_str())
                    .fetch_one(&self.$readers)
                    .await?;
                let rows = sqlx::query(revoked::AFTER)
                    .bind(version as i64)
                    .bind(now_ms as i64)
                    .bind(i64::from(limit))
                    .fetch_all(&self.$readers)
                    .await?;
                let mut list = Vec::with_capacity(rows.len());
                for row in &rows {
                    list.push(revocation::Revocation {
                        user_id: reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?,
                        what: revoked::read_what(row)?,
                        cut: revoked::read_cut(row)?,
                    });
                }
                let is_full = rows.len() == limit as usize;
                let reached = match rows.last() {
                    Some(row) if is_full => row.try_get::<i64, _>("version")?,
                    _ => last,
                };
                Ok((list, reached as u64))
            }

            async fn note_tokens(
                &self,
                tokens: &[revocation::DeviceToken],
                per_user: usize,
                now_ms: u64,
            ) -> Result<Vec<revocation::DeviceToken>, StoreError> {
                let tokens = revoked::in_one_order(tokens);
                let mut line = self.$writers.line().await?;
                let mut transaction = sqlx::Connection::begin(&mut *line).await?;
                // A request that ends a device comes before this or sees it.
                sqlx::query(dialect::LOCK_SHARED)
                    .bind(revoked::LIST.as_str())
                    .fetch_one(&mut *transaction)
                    .await?;
                let mut insert = sqlx::QueryBuilder::<$database>::new(
                    "INSERT INTO device_tokens (tenant, user_id, device_id, token_id, issued_secs, \
                     until_ms, noted_at_ms) ",
                );
                insert.push_values(&tokens, |mut row, token| {
                    row.push_bind(token.user_id.tenant().as_str())
                        .push_bind(token.user_id.name_str())
                        .push_bind(token.device_id.as_str())
                        .push_bind(token.token_id.to_hex())
                        .push_bind(token.issued_secs as i64)
                        .push_bind(token.until_ms as i64)
                        .push_bind(now_ms as i64);
                });
                insert.push(" ON CONFLICT (tenant, user_id, device_id, token_id) DO NOTHING");
                insert.build().execute(&mut *transaction).await?;
                let users: Vec<UserId> = tokens.iter().map(|token| token.user_id.clone()).collect();
                let sql = revoked::token_counts(dialect::GIVEN_USERS);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let counts =
                    dialect::bind_users(query, &users).fetch_all(&mut *transaction).await?;
                for row in &counts {
                    if row.try_get::<i64, _>("tokens")? > per_user as i64 {
                        let user_id =
                            reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?;
                        forget_oldest(&mut transaction, &user_id, per_user, now_ms).await?;
                    }
                }
                let sql = revoked::ended_devices(dialect::GIVEN_USERS);
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let rows = dialect::bind_users(query, &users).fetch_all(&mut *transaction).await?;
                let mut late = Vec::new();
                for row in &rows {
                    let user_id =
                        reading::user_id(row.try_get("tenant")?, row.try_get("user_id")?)?;
                    let (what, cut) = (revoked::read_what(row)?, revoked::read_cut(row)?);
                    late.extend(revoked::covered(&tokens, &user_id, &what, &cut, now_ms));
                }
                transaction.commit().await?;
                line.done();
                Ok(late)
            }

            async fn forget_ended(&self, now_ms: u64) -> Result<(), StoreError> {
                for forget in revoked::FORGET_ENDED {
                    sqlx::query(forget).bind(now_ms as i64).execute(&self.$writers).await?;
                }
                Ok(())
            }
        }

        async fn end_in(
            transaction: &mut sqlx::Transaction<'_, $database>,
            user_id: &UserId,
            ending: &revoked::Ending,
            cut: revocation::Cut,
            bounds: revoked::Bounds,
            now_ms: u64,
        ) -> Result<Vec<revocation::Revocation>, revoked::RevokeError> {
            let version: i64 = sqlx::query_scalar(revoked::LOCK)
                .bind(revoked::LIST.as_str())
                .fetch_one(&mut **transaction)
                .await?;
            let rows = sqlx::query(revoked::OF_USER)
                .bind(user_id.tenant().as_str())
                .bind(user_id.name_str())
                .bind(now_ms as i64)
                .fetch_all(&mut **transaction)
                .await?;
            let mut before = Vec::with_capacity(rows.len());
            for row in &rows {
                let what = revoked::read_what(row)?;
                before.push((what, revoked::read_cut(row)?));
            }
            let device = match ending {
                revoked::Ending::What(_) => "",
                revoked::Ending::Device { device_id, .. }
                | revoked::Ending::SessionOf(device_id) => device_id.as_str(),
            };
            let mut used = Vec::new();
            if !device.is_empty() {
                let rows = sqlx::query(revoked::TOKENS_OF)
                    .bind(user_id.tenant().as_str())
                    .bind(user_id.name_str())
                    .bind(device)
                    .bind(now_ms as i64)
                    .fetch_all(&mut **transaction)
                    .await?;
                for row in &rows {
                    used.push(used_token(row)?);
                }
            }
            let new = ending.rows(cut, used, &before)?;
            let changes = revocation::add(&before, new, bounds.per_user);
            if !changes.set.is_empty() {
                let count: i64 = sqlx::query_scalar(revoked::COUNT)
                    .bind(user_id.tenant().as_str())
                    .fetch_one(&mut **transaction)
                    .await?;
                let fresh = changes
                    .set
                    .iter()
                    .filter(|(what, _)| !before.iter().any(|(known, _)| known == what));
                let after =
                    (count as u64 + fresh.count() as u64).saturating_sub(changes.gone.len() as u64);
                if after > bounds.most {
                    return Err(revoked::RevokeError::Full);
                }
            }
            let list = change(transaction, user_id, changes, version).await?;
            Ok(list)
        }

        /// Writes what changes, each row with a version of its own.
        async fn change(
            transaction: &mut sqlx::Transaction<'_, $database>,
            user_id: &UserId,
            changes: revocation::Changes,
            version: i64,
        ) -> Result<Vec<revocation::Revocation>, sqlx::Error> {
            let (tenant, name) = (user_id.tenant().as_str(), user_id.name_str());
            for what in &changes.gone {
                sqlx::query(revoked::GONE)
                    .bind(tenant)
                    .bind(name)
                    .bind(what.to_stored())
                    .execute(&mut **transaction)
                    .await?;
            }
            let mut list = Vec::with_capacity(changes.set.len());
            for (place, (what, cut)) in (1..).zip(changes.set) {
                sqlx::query(revoked::SET)
                    .bind(tenant)
                    .bind(name)
                    .bind(what.to_stored())
                    .bind(cut.issued_until_secs as i64)
                    .bind(cut.until_ms as i64)
                    .bind(version + place)
                    .execute(&mut **transaction)
                    .await?;
                list.push(revocation::Revocation { user_id: user_id.clone(), what, cut });
            }
            sqlx::query(revoked::SET_VERSION)
                .bind(revoked::LIST.as_str())
                .bind(version + list.len() as i64)
                .execute(&mut **transaction)
                .await?;
            Ok(list)
        }

        fn used_token(
            row: &<$database as sqlx::Database>::Row,
        ) -> Result<revoked::Used, sqlx::Error> {
            let cut = revocation::Cut {
                issued_until_secs: row.try_get::<i64, _>("issued_secs")? as u64,
                until_ms: row.try_get::<i64, _>("until_ms")? as u64,
            };
            let is_forgotten = row.try_get::<&str, _>("device_id")?.is_empty();
            let token_id = row.try_get::<&str, _>("token_id")?;
            if is_forgotten {
                return Ok(revoked::Used::Forgotten(cut));
            }
            let what = revocation::What::from_stored(&format!("t:{token_id}"));
            Ok(revoked::Used::Token(what.ok_or_else(|| reading::corrupt("token id"))?, cut))
        }

        /// Leaves three quarters of the bound, so that it is not done again for the next one.
        async fn forget_oldest(
            transaction: &mut sqlx::Transaction<'_, $database>,
            user_id: &UserId,
            per_user: usize,
            now_ms: u64,
        ) -> Result<(), StoreError> {
            let (tenant, name) = (user_id.tenant().as_str(), user_id.name_str());
            let rows = sqlx::query(revoked::OLDEST_TOKENS)
                .bind(tenant)
                .bind(name)
                .fetch_all(&mut **transaction)
                .await?;
            let kept = per_user - per_user / 4;
            for row in &rows[..rows.len().saturating_sub(kept)] {
                let until_ms: i64 = row.try_get("until_ms")?;
                if until_ms > now_ms as i64 {
                    sqlx::query(revoked::FORGOTTEN)
                        .bind(tenant)
                        .bind(name)
                        .bind(row.try_get::<i64, _>("issued_secs")?)
                        .bind(until_ms)
                        .bind(now_ms as i64)
                        .execute(&mut **transaction)
                        .await?;
                }
                sqlx::query(revoked::FORGET_TOKEN)
                    .bind(tenant)
                    .bind(name)
                    .bind(row.try_get::<&str, _>("device_id")?)
                    .bind(row.try_get::<&str, _>("token_id")?)
                    .execute(&mut **transaction)
                    .await?;
            }
            Ok(())
        }
    };
}

pub(in crate::store) use revoked_store;
