//! Keys of names that an earlier version stored without them.

use proto::id::DEFAULT_TENANT;
use sqlx::SqlitePool;

use crate::domain::fold::name_key;
use crate::store::reading::WITHOUT_KEY;

const SET: &str = "
UPDATE users SET name_key = value ->> 1 FROM json_each($2)
WHERE tenant = $1 AND users.id = value ->> 0 AND name_key IS NULL";

/// Fills them in, some hundred at a time.
pub(super) async fn fill(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    loop {
        let rows: Vec<(String, String)> =
            sqlx::query_as(WITHOUT_KEY).bind(DEFAULT_TENANT).fetch_all(pool).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = rows.iter().map(|(id, name)| (id, name_key(name))).collect();
        let keys = super::append::json(&keys);
        sqlx::query(SET).bind(DEFAULT_TENANT).bind(keys).execute(pool).await?;
    }
}
