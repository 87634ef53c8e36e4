//! Keeps places in the tail growing when the tables were restored into another cluster, whose transaction ids are smaller.
//!
//! What a writer stores as `entries.xid` is the id of its transaction plus an offset, which stands in the column's default:
//! so the append statement does not know it, and a writer of another build cannot forget it.

use sqlx::{Connection, PgConnection, Postgres, Row};

use crate::store::connections::is_refusal;

/// Room above every place that was ever given: what a lost end of the backup may have given out, too.
const ROOM: i64 = 10_000_000;

const EXISTS: &str = "SELECT to_regclass('store_origin') IS NOT NULL AND NOT pg_is_in_recovery()";

/// What the next transaction will be called, what is added to it, and the highest place that was given or passed.
macro_rules! places {
    ($lock:literal) => {
        concat!(
            "/* of every tenant */
SELECT o.xid_offset, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
    GREATEST(
        COALESCE((SELECT xid FROM entries WHERE xid > 0 ORDER BY xid DESC LIMIT 1), 0),
        COALESCE((SELECT max(position) FROM followers), 0)
    ) AS highest
FROM store_origin o",
            $lock
        )
    };
}

struct Places {
    offset: i64,
    next: i64,
    highest: i64,
}

impl Places {
    async fn read(connection: &mut PgConnection, sql: &'static str) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(sql).fetch_one(connection).await?;
        Ok(Self {
            offset: row.try_get("xid_offset")?,
            next: row.try_get("next")?,
            highest: row.try_get("highest")?,
        })
    }

    fn are_right(&self) -> bool {
        self.next + self.offset > self.highest
    }
}

/// Raises the offset where the next entry would get a place that is taken or was passed. To be called on the first
/// connection to a database, before anything is appended over it.
pub(super) async fn raise(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if !sqlx::query_scalar::<_, bool>(EXISTS).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    // Without a lock at first: so it is with almost every connection, and one may be for reading only.
    match Places::read(connection, places!("")).await {
        Ok(places) if places.are_right() => return Ok(()),
        Ok(_) => {}
        // A database role that may not read these tables appends nothing to them.
        Err(error) if is_refusal::<Postgres>(&error) => {
            tracing::debug!(%error, "the places in the tail are not for this role to see");
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut transaction = connection.begin().await?;
    // Two processes that start at once raise it once.
    let places = Places::read(&mut transaction, places!(" FOR UPDATE")).await?;
    if places.are_right() {
        return transaction.rollback().await;
    }
    let offset = places.highest - places.next + ROOM;
    sqlx::query("UPDATE store_origin SET xid_offset = $1")
        .bind(offset)
        .execute(&mut *transaction)
        .await?;
    // A number that was read from the database: statements that define tables take no parameters.
    let sql = format!(
        "ALTER TABLE entries ALTER COLUMN xid SET DEFAULT pg_current_xact_id()::text::bigint + {offset}"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    tracing::warn!(
        offset,
        "the tables come from another cluster: places in the tail go on above those that were given"
    );
    Ok(())
}
