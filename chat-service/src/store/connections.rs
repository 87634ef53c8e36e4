//! The connections to a database. One whose last statement ended in an unknown way is closed and never used
//! again: after an error that does not say in which state it left the connection, or when nobody waited for
//! the end. A full disk, an error of reading or writing, a lack of memory, a server that was stopped: each
//! costs its statement and no other.

use std::fmt;
use std::ops::{Deref, DerefMut};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Either, Error, Execute, Executor, Pool, SqlStr};

/// A database whose errors are understood.
pub(super) trait Understood: Database {
    /// Whether an error refused one statement and left its connection as it was before.
    fn is_refusal(error: &dyn DatabaseError) -> bool;
}

/// A pool that takes connections back only in a known state.
pub(super) struct Connections<DB: Database>(Pool<DB>);

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<DB: Database> fmt::Debug for Connections<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connections").field(&self.0).finish()
    }
}

impl<DB: Understood> Connections<DB> {
    /// Takes over a pool.
    pub(super) fn new(pool: Pool<DB>) -> Self {
        Self(pool)
    }

    /// One connection, for several statements in a row.
    pub(super) async fn line(&self) -> Result<Line<DB>, Error> {
        Ok(Line { connection: self.0.acquire().await?, is_known: false })
    }

    /// The pool itself: for migrations, which the process begins with.
    #[cfg(feature = "cluster")]
    pub(super) fn pool(&self) -> &Pool<DB> {
        &self.0
    }

    /// Closes the pool after what is under way.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// A connection in use. It goes back only after [`Line::done`]; else it is closed when it is dropped.
pub(super) struct Line<DB: Database> {
    connection: PoolConnection<DB>,
    is_known: bool,
}

impl<DB: Understood> Line<DB> {
    /// All statements are over, and their transaction with them.
    pub(super) fn done(mut self) {
        self.is_known = true;
    }

    /// The last statement ended so.
    pub(super) fn ended<T>(mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.is_known = result.as_ref().err().is_none_or(is_refusal::<DB>);
        result
    }
}

/// Whether an error left its connection as it was before the statement.
pub(super) fn is_refusal<DB: Understood>(error: &Error) -> bool {
    match error {
        Error::Database(error) => DB::is_refusal(error.as_ref()),
        // Found out on our own side, before a statement or after its end.
        Error::RowNotFound
        | Error::TypeNotFound { .. }
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnDecode { .. }
        | Error::Encode(_)
        | Error::Decode(_) => true,
        _ => false,
    }
}

impl<DB: Database> Deref for Line<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Line<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Line<DB> {
    fn drop(&mut self) {
        if !self.is_known {
            self.connection.close_on_drop();
        }
    }
}

impl<'p, DB: Understood> Executor<'p> for &'_ Connections<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<DB::QueryResult, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut line = connections.line().await?;
            let result = line.execute(query).await;
            line.ended(result)
        })
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut line = connections.line().await?;
            let result = line.fetch_all(query).await;
            line.ended(result)
        })
    }

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let connections = self.clone();
        // Both ends are in this stream: the statement goes on only while somebody reads its rows.
        let (sender, mut rows) = tokio::sync::mpsc::channel(1);
        let running = async move {
            let ended = async {
                let mut line = connections.line().await?;
                let result = async {
                    let mut found = line.fetch_many(query);
                    while let Some(row) = found.try_next().await? {
                        // The reader is in this stream, too.
                        let _ = sender.send(row).await;
                    }
                    Ok(())
                }
                .await;
                line.ended(result)
            };
            ended.await.err().map(Err)
        };
        let failure = stream::once(running).filter_map(std::future::ready);
        stream::select(stream::poll_fn(move |context| rows.poll_recv(context)).map(Ok), failure)
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut line = connections.line().await?;
            let result = line.fetch_optional(query).await;
            line.ended(result)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        Box::pin(async move {
            let mut line = connections.line().await?;
            let result = line.prepare_with(sql, parameters).await;
            line.ended(result)
        })
    }
}

impl Understood for sqlx::Sqlite {
    fn is_refusal(error: &dyn DatabaseError) -> bool {
        let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
        // By the primary result code, <https://www.sqlite.org/rescode.html>: a value that is too big, a constraint,
        // a type that does not fit, a parameter that there is not. All others may have ended the transaction.
        matches!(code & 0xff, 18 | 19 | 20 | 25)
    }
}

#[cfg(feature = "cluster")]
impl Understood for sqlx::Postgres {
    fn is_refusal(error: &dyn DatabaseError) -> bool {
        // By SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>. A statement that was
        // cancelled by its time limit is over. A server that can only be read (25006) may be one that was the
        // primary: the next connection finds out where that is now.
        let code = error.code().unwrap_or_default();
        code == "57014"
            || ["0A", "21", "22", "23", "40", "42", "44", "54", "55", "P0"]
                .iter()
                .any(|class| code.starts_with(class))
    }
}
