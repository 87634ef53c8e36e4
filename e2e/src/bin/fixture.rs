//! `fixture`: writes down the data of an earlier version, and what its users see of it, for `tests/e2e/upgraded.rs`.
//!
//!     fixture --binaries target/against/a6294994f --to e2e/fixtures/a6294994f
//!
//! The binaries are those of that version: `deploy/bench/against.sh` builds them. Wants `sqlite3` and `pg_dump`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use e2e::all_in_one;
use e2e::cluster::Cluster;
use e2e::past::{POISON, Past};
use e2e::token::SECRET;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

/// A process that is told to stop is given so long.
const STOP: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(about = "Writes down the data of an earlier version, and what its users see of it")]
struct Options {
    /// The folder of its binaries.
    #[arg(long)]
    binaries: PathBuf,
    /// Where the files go.
    #[arg(long)]
    to: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.to)?;
    sqlite(&options).await?;
    postgres(&options).await
}

/// What was said and is seen, beside the dump.
async fn tell(address: &str, to: &Path) -> anyhow::Result<()> {
    let past = Past::at(address);
    let said = past.tell().await;
    let told = json!({ "said": said, "seen": past.seen().await });
    std::fs::write(to, serde_json::to_string(&told)? + "\n")?;
    Ok(())
}

async fn sqlite(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tidings.db");
    let settings = [("TIDINGS__AUTH__HS256_SECRET", SECRET)];
    let program = options.binaries.join("tidings");
    let mut server = all_in_one::serve_by(&program, "fixture", folder.path(), &settings).await;
    let connect = SqliteConnectOptions::new().filename(&file);
    let mut database = SqliteConnection::connect_with(&connect).await?;
    let trigger = format!(
        "CREATE TRIGGER poison BEFORE INSERT ON entries WHEN NEW.content LIKE '%\"{POISON}\"%'
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    );
    database.execute(AssertSqlSafe(trigger)).await?;
    tell(server.address("http"), &options.to.join("sqlite.json")).await?;
    database.execute("DROP TRIGGER poison").await?;
    database.close().await?;
    ensure!(server.terminate(STOP).await.success(), "a clean stop ends with 0");
    let file = file.to_string_lossy();
    dump("sqlite3", &[&file, ".dump"], &options.to.join("sqlite.sql"))
}

async fn postgres(options: &Options) -> anyhow::Result<()> {
    let cluster = Cluster::start_from(&options.binaries, "fixture", &[]).await;
    let url = cluster.names.database_url();
    let mut database = PgConnection::connect(&url).await?;
    let function = format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $body$
         BEGIN IF NEW.content LIKE '%\"{POISON}\"%' THEN RAISE EXCEPTION 'poison'; END IF;
         RETURN NEW; END $body$"
    );
    database.execute(AssertSqlSafe(function)).await?;
    let trigger = "CREATE TRIGGER poison BEFORE INSERT ON entries
                   FOR EACH ROW EXECUTE FUNCTION poison()";
    database.execute(trigger).await?;
    tell(cluster.gateway_address(0), &options.to.join("postgres.json")).await?;
    database.execute("DROP TRIGGER poison ON entries").await?;
    database.execute("DROP FUNCTION poison").await?;
    database.close().await?;
    let arguments = ["--inserts", "--no-owner", "--no-privileges", "--no-comments", &url];
    dump("pg_dump", &arguments, &options.to.join("postgres.sql"))?;
    cluster.stop().await;
    Ok(())
}

/// What a program prints, without what only its own shell understands and what names this server.
fn dump(program: &str, arguments: &[&str], to: &Path) -> anyhow::Result<()> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} is missing"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let is_sql = |line: &&str| {
        !(line.is_empty()
            || line.starts_with('\\')
            || line.starts_with("--")
            || line.starts_with("SET "))
    };
    let lines: Vec<&str> = text.lines().filter(is_sql).collect();
    std::fs::write(to, lines.join("\n") + "\n")?;
    Ok(())
}
