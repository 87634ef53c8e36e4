//! The migrations of both databases, embedded from the list that `build.rs` makes.
//!
//! Not by the macro of sqlx: for it, all of sqlx with its databases and TLS is compiled a second time.
//!
//! A build serves on the tables of the build after it, whose migrations only add: it ignores those that it does not know.
//! Builds up to 3509d69, a629499 among them, would do so on tables that they do not fit. They refuse a database whose
//! migration 1 has another sum than theirs, so its file was given one more line, and an operator who brings a database of theirs up to
//! date replaces the sum.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Database, Encode, Executor, IntoArguments, SqlSafeStr as _, Type};

/// Version, description and statements of a migration.
type Embedded = (u32, &'static str, &'static str);

/// All of one database.
pub(super) struct Migrations {
    files: &'static [Embedded],
    /// SHA-384 of the file of migration 1 as it was from its first commit, 8d1fede, up to 3509d69: in these builds and in
    /// all databases that they made. No other sum is replaced.
    first_before: &'static [u8; 48],
}

pub(super) const SQLITE: Migrations = Migrations {
    files: include!(concat!(env!("OUT_DIR"), "/sqlite_migrations.rs")),
    first_before: b"\x87\x59\x05\xbc\x98\x31\xfb\x43\x3f\x49\x1e\xfe\xde\x66\x5f\xfa\
        \xe5\xf1\x02\xe9\x46\xb0\xab\x0b\xf4\x70\xb9\xfb\x3f\x96\x4b\x90\
        \x8a\xbe\x86\x25\x30\x37\xed\x6b\x9e\xfa\x1e\xc4\x55\x0c\xbe\xb2",
};
#[cfg(feature = "cluster")]
pub(super) const POSTGRES: Migrations = Migrations {
    files: include!(concat!(env!("OUT_DIR"), "/postgres_migrations.rs")),
    first_before: b"\xde\x04\xa1\x13\x49\xfd\xbe\xe3\x70\xbf\xc5\x70\xd3\xfa\xca\x25\
        \x56\x79\x5b\x10\x8a\xd5\xdc\x93\x31\xbb\xee\xc2\x84\xec\x81\x2c\
        \x0a\xeb\xc5\xaa\x4d\xf0\xbc\xf8\x12\x5f\x1e\xde\xad\xb8\xf1\x38",
};

/// Where sqlx keeps what was applied.
const APPLIED: &str = "_sqlx_migrations";
const RENEW: &str = "UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1 AND checksum = $2";

impl Migrations {
    /// Brings the tables of a database up to date. Those who do it at once wait for each other. After an error the
    /// connection may still hold the lock: it has to be closed.
    pub(super) async fn run<DB>(&self, connection: &mut DB::Connection) -> Result<(), MigrateError>
    where
        DB: Database,
        DB::Connection: Migrate,
        DB::Arguments: IntoArguments<DB>,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    {
        let migrator = self.migrator();
        connection.lock().await?;
        connection.ensure_migrations_table(APPLIED).await?;
        // Before anything else: whatever becomes of the rest, a build of before finds another sum than its own.
        if let Some(first) = migrator.iter().next() {
            let renewed = sqlx::query(RENEW).bind(&*first.checksum).bind(&self.first_before[..]);
            renewed.execute(&mut *connection).await?;
        }
        migrator.run_direct(None, connection, false).await?;
        connection.unlock().await
    }

    fn migrator(&self) -> Migrator {
        let migration = |(version, description, sql): &'static Embedded| {
            let (version, simple) = (i64::from(*version), MigrationType::Simple);
            Migration::new(version, (*description).into(), simple, sql.into_sql_str(), false)
        };
        let mut migrator = Migrator::with_migrations(self.files.iter().map(migration).collect());
        // Of a later build, or of this one before it was rolled back.
        migrator.set_ignore_missing(true);
        // `run` has it.
        migrator.set_locking(false);
        migrator
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Connection as _, Sqlite, SqliteConnection};

    #[cfg(feature = "cluster")]
    const ALL: [(Migrations, &str); 2] =
        [(SQLITE, "b78f6f794c4e041f"), (POSTGRES, "ea02629aa4e9fbc0")];
    #[cfg(not(feature = "cluster"))]
    const ALL: [(Migrations, &str); 1] = [(SQLITE, "b78f6f794c4e041f")];

    fn hex(sum: &[u8]) -> String {
        use std::fmt::Write as _;
        sum.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Migration 1 as it was in builds of before.
    fn first_before(migrations: &Migrations) -> String {
        let (_, _, first) = migrations.files[0];
        let (before, line) = first.trim_end().rsplit_once('\n').unwrap();
        assert!(line.starts_with("-- With this line the sum of the file is another one"), "{line}");
        format!("{before}\n")
    }

    /// Those of a629499, as that build runs them.
    fn of_before() -> Migrations {
        let first: &'static str = first_before(&SQLITE).leak();
        let mut files = SQLITE.files[..3].to_vec();
        files[0].2 = first;
        Migrations { files: files.leak(), first_before: &[0; 48] }
    }

    async fn refused_by(migrations: &Migrations, connection: &mut SqliteConnection) -> bool {
        match migrations.run::<Sqlite>(connection).await {
            Ok(()) => false,
            Err(MigrateError::VersionMismatch(1)) => true,
            Err(other) => panic!("{other}"),
        }
    }

    /// The databases that there are hold the sum of each, and refuse another.
    #[test]
    fn a_migration_keeps_its_version_its_name_and_its_sum() {
        for (migrations, sum) in ALL {
            let migrator = migrations.migrator();
            let first = migrator.iter().next().unwrap();
            assert_eq!((first.version, &*first.description), (1, "conversations"));
            assert_eq!(hex(&first.checksum[..8]), sum);
            assert!(migrator.iter().is_sorted_by_key(|migration| migration.version));
            assert_eq!(migrator.iter().count(), migrations.files.len());
        }
    }

    #[test]
    fn the_sum_that_is_replaced_is_that_of_the_file_without_its_line() {
        use sha2::{Digest as _, Sha384};
        for (migrations, _) in ALL {
            let sum = Sha384::digest(first_before(&migrations));
            assert_eq!(hex(&sum), hex(migrations.first_before));
        }
    }

    #[tokio::test]
    async fn builds_of_before_refuse_tables_that_this_one_made_or_changed() {
        let mut fresh = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        assert!(!refused_by(&SQLITE, &mut fresh).await);
        assert!(refused_by(&of_before(), &mut fresh).await);

        let mut theirs = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for _ in 0..2 {
            assert!(!refused_by(&of_before(), &mut theirs).await);
        }
        assert!(!refused_by(&SQLITE, &mut theirs).await);
        assert!(refused_by(&of_before(), &mut theirs).await);
        assert!(!refused_by(&SQLITE, &mut theirs).await, "and it opens what it has changed");
    }

    #[tokio::test]
    async fn no_other_sum_is_replaced_and_later_migrations_are_ignored() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        assert!(!refused_by(&SQLITE, &mut database).await);
        let later = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', 0, true, x'00', 1)";
        sqlx::query(later).execute(&mut database).await.unwrap();
        assert!(!refused_by(&SQLITE, &mut database).await);
        let other = "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1";
        sqlx::query(other).execute(&mut database).await.unwrap();
        assert!(refused_by(&SQLITE, &mut database).await);
    }
}
