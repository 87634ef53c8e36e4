//! Keys of names that an earlier version stored without them.

use proto::id::TenantId;
use sqlx::SqlitePool;

use crate::domain::fold::name_key;
use crate::store::reading::WITHOUT_KEY;

const SET: &str = "
UPDATE users SET name_key = value ->> 1 FROM json_each($2)
WHERE tenant = $1 AND users.id = value ->> 0 AND name_key IS NULL";

/// Fills them in, some hundred at a time. That version knew no tenant but the default one.
pub(super) async fn fill(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let tenant = TenantId::DEFAULT.as_str();
    loop {
        let rows: Vec<(String, String)> =
            sqlx::query_as(WITHOUT_KEY).bind(tenant).fetch_all(pool).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = rows.iter().map(|(id, name)| (id, name_key(name))).collect();
        let keys = super::json::json(&keys);
        sqlx::query(SET).bind(tenant).bind(keys).execute(pool).await?;
    }
}
