//! An error of a database, and whose fault it is: of the caller, or of the database.

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

/// The database did not answer a question. Ask again later.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer: {0}")]
pub struct StoreError(#[from] pub sqlx::Error);

impl StoreError {
    /// Whether the database refused a value of the question. The same question fails again, and any other works.
    pub fn is_askers(&self) -> bool {
        match &self.0 {
            sqlx::Error::Database(error) => is_askers(&**error),
            sqlx::Error::Encode(_) => true,
            _ => false,
        }
    }

    /// Whether something with the same key was there already.
    pub fn is_taken(&self) -> bool {
        matches!(&self.0, sqlx::Error::Database(error) if error.is_unique_violation())
    }
}

fn is_askers(error: &dyn DatabaseError) -> bool {
    #[cfg(feature = "cluster")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        // A value that does not fit; a constraint:
        // <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
        return ["22", "23"].iter().any(|class| error.code().starts_with(class));
    }
    let code = error.try_downcast_ref::<SqliteError>().and_then(|error| error.code()?.parse().ok());
    // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE; the lowest byte is the primary code:
    // <https://www.sqlite.org/rescode.html>.
    code.is_some_and(|code: u32| matches!(code & 0xff, 18..=20 | 25))
}
