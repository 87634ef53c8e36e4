//! Keys of names that an earlier version stored without them.

use proto::id::TenantId;
use sqlx::PgPool;

use crate::domain::fold::name_key;
use crate::store::reading::WITHOUT_KEY;

const SET: &str = "
UPDATE users SET name_key = k.name_key FROM unnest($2::text[], $3::text[]) AS k (id, name_key)
WHERE tenant = $1 AND users.id = k.id AND users.name_key IS NULL";

/// Fills them in, some hundred at a time. That version knew no tenant but the default one.
pub(super) async fn fill(pool: &PgPool) -> Result<(), sqlx::Error> {
    let tenant = TenantId::DEFAULT.as_str();
    loop {
        let rows: Vec<(String, String)> =
            sqlx::query_as(WITHOUT_KEY).bind(tenant).fetch_all(pool).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let (ids, keys): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|(id, name)| (id, name_key(&name))).unzip();
        sqlx::query(SET).bind(tenant).bind(ids).bind(keys).execute(pool).await?;
    }
}
