//! Cursors of threads, on Postgres.

use sqlx::postgres::PgRow;

use super::PostgresStore;
use crate::domain::entry::ThreadCursorRow;

const ADVANCE_THREADS: &str = "
UPDATE thread_reads SET read_seq = n.r
FROM (
    SELECT a.t, a.u, a.c, a.f, LEAST(a.r, h.head) AS r
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[]) AS a (t, u, c, f, r)
    CROSS JOIN LATERAL (
        SELECT COALESCE(max(e.seq), 0) AS head FROM entries e WHERE e.tenant = a.t AND e.conversation_id = a.c
    ) h
    ORDER BY a.t, a.u, a.c, a.f
) n
WHERE tenant = n.t AND user_id = n.u AND conversation_id = n.c AND thread = n.f AND read_seq < n.r
RETURNING tenant, user_id, conversation_id, thread, read_seq";

impl PostgresStore {
    pub(super) async fn advance_followed(
        &self,
        rows: &[ThreadCursorRow],
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        sqlx::query(ADVANCE_THREADS)
            .bind(rows.iter().map(|row| row.user_id.tenant().as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.user_id.name_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.conversation_id.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.thread as i64).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.read_seq as i64).collect::<Vec<_>>())
            .fetch_all(&self.writers)
            .await
    }
}
