//! The migrations of both databases, embedded from the list that `build.rs` makes.
//!
//! Not by the macro of sqlx: for it, all of sqlx with its databases and TLS is compiled a second time.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, description and statements of a migration.
pub(super) type Embedded = (u32, &'static str, &'static str);

pub(super) const SQLITE: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/sqlite_migrations.rs"));
#[cfg(feature = "cluster")]
pub(super) const POSTGRES: &[Embedded] =
    include!(concat!(env!("OUT_DIR"), "/postgres_migrations.rs"));

/// What brings the tables of a database up to date.
pub(super) fn migrator(embedded: &'static [Embedded]) -> Migrator {
    let migration = |(version, description, sql): &'static Embedded| {
        let (version, simple) = (i64::from(*version), MigrationType::Simple);
        Migration::new(version, (*description).into(), simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(embedded.iter().map(migration).collect());
    // A rolled-back binary meets newer tables, which are made to work with it.
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The databases that there are hold the sum of each, and refuse another.
    #[test]
    fn a_migration_keeps_its_version_its_name_and_its_sum() {
        for (embedded, sum) in [(SQLITE, "875905bc9831fb43"), (POSTGRES, "de04a11349fdbee3")] {
            let migrator = migrator(embedded);
            let first = migrator.iter().next().unwrap();
            let found: String = format!("{:02x?}", &first.checksum[..8]);
            let found: String = found.chars().filter(char::is_ascii_hexdigit).collect();
            assert_eq!((first.version, &*first.description), (1, "conversations"));
            assert_eq!(found, sum);
            assert!(migrator.iter().is_sorted_by_key(|migration| migration.version));
            assert_eq!(migrator.iter().count(), embedded.len());
        }
    }
}
