//! Reactions that are rows, as they are loaded on Postgres.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::domain::tally::{Tally, TallyKey};
use crate::store::StoreError;
use crate::store::connections::Connections;
use crate::store::reactions::read;

/// The keys of users who react.
const OWN: &str = "
SELECT k.place, r.user_id, r.key
FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::text[]) AS k (place, tenant, id, seq, user_id)
JOIN reactions r ON r.tenant = k.tenant AND r.conversation_id = k.id AND r.seq = k.seq AND r.user_id = k.user_id";

/// How many reacted with each key.
const COUNTS: &str = "
SELECT k.place, r.key, count(*) AS n
FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[]) AS k (place, tenant, id, seq)
JOIN reactions r ON r.tenant = k.tenant AND r.conversation_id = k.id AND r.seq = k.seq
GROUP BY k.place, r.key";

/// How many users reacted.
const REACTORS: &str = "
SELECT k.place, (SELECT count(DISTINCT r.user_id) FROM reactions r
    WHERE r.tenant = k.tenant AND r.conversation_id = k.id AND r.seq = k.seq) AS n
FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[]) AS k (place, tenant, id, seq)";

pub(super) async fn load(
    writers: &Connections<Postgres>,
    keys: &[TallyKey],
) -> Result<Vec<Tally>, StoreError> {
    let mut tallies = read::empty(keys);
    let places = || keys.iter().enumerate();
    let own: Vec<_> = places()
        .flat_map(|(place, key)| key.users.iter().map(move |user| (place, key, user)))
        .collect();
    let query = bind(sqlx::query(OWN), own.iter().map(|(place, key, _)| (*place, *key)));
    let users: Vec<_> = own.iter().map(|(_, _, user)| user.as_str()).collect();
    for row in query.bind(users).fetch_all(writers).await? {
        read::own(&mut tallies, place(&row)?, row.try_get("user_id")?, row.try_get("key")?)?;
    }
    if keys.iter().any(|key| key.with_counts) {
        let counted = || places().filter(|(_, key)| key.with_counts);
        for row in bind(sqlx::query(COUNTS), counted()).fetch_all(writers).await? {
            read::count(&mut tallies, place(&row)?, row.try_get("key")?, row.try_get("n")?);
        }
        for row in bind(sqlx::query(REACTORS), counted()).fetch_all(writers).await? {
            read::reactors(&mut tallies, place(&row)?, row.try_get("n")?);
        }
    }
    Ok(tallies)
}

fn bind<'q, 'a>(
    query: Query<'q, Postgres, PgArguments>,
    keys: impl Iterator<Item = (usize, &'a TallyKey)>,
) -> Query<'q, Postgres, PgArguments> {
    let (mut places, mut tenants, mut ids, mut seqs) = (vec![], vec![], vec![], vec![]);
    for (place, key) in keys {
        places.push(place as i64);
        tenants.push(key.conversation.tenant.as_str());
        ids.push(key.conversation.id.0);
        seqs.push(key.seq as i64);
    }
    query.bind(places).bind(tenants).bind(ids).bind(seqs)
}

fn place(row: &PgRow) -> Result<usize, sqlx::Error> {
    Ok(row.try_get::<i64, _>("place")? as usize)
}
