//! The epoch of the database: another one after a restore.

use super::PostgresStore;

impl PostgresStore {
    /// Says that the tables were put back from a backup: see guarantee 11 of the port. The new epoch.
    pub async fn begin_epoch(&self) -> Result<String, sqlx::Error> {
        let sql = "UPDATE store_epoch SET epoch = gen_random_uuid() RETURNING CAST(epoch AS text)";
        sqlx::query_scalar(sql).fetch_one(&self.writers).await
    }
}
