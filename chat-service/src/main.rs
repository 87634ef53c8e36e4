//! The binary `chat-service`: reads the configuration, makes the adapters, runs the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use chat_service::config::{ChatConfig, ENV_PREFIX};
use chat_service::prepared::Prepared;
use chat_service::store::postgres::{PostgresStore, indexes, statistics};
use chat_service::{Adapters, build};
use clap::{Parser, Subcommand};
use platform::admin::{self, Admin};
use platform::backoff::Backoff;
use platform::config::{Mistakes, Source, VALID};
use platform::grpc::{Certificates, Incoming};
use platform::metrics::Metrics;
use platform::monitor::Observed;
use platform::readiness::{Cause, Readiness};
use platform::reload::Reload;
use platform::reload::address::Addresses;
use platform::reload::backend::{Backend, Reached};
use platform::shutdown::{Shutdown, Tasks};

/// Conversations, their logs, and the delivery of what was appended.
///
/// Needs RabbitMQ, Postgres and the presence service. Every key of the configuration can also be given
/// as an environment variable: `database.url` is `TIDINGS_CHAT__DATABASE__URL`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; docs/configuration.md lists its keys.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serves until SIGTERM (the default).
    Run,
    /// Brings the tables up to date and ends.
    Migrate,
    /// Says that the database was restored from a backup, so that no device keeps messages that are not in it any more.
    NewEpoch,
    /// Finds every mistake in the configuration that a start would find, connects to nothing, and ends.
    CheckConfig,
}

/// What a mistake in the configuration ends with.
const BAD_CONFIGURATION: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    platform::install_crypto_provider();
    let arguments = Arguments::parse();
    let source = Source::from_process(arguments.config, ENV_PREFIX);
    let ended = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => Box::pin(run(&source)).await,
        Command::Migrate => migrate(&source).await,
        Command::NewEpoch => new_epoch(&source).await,
        Command::CheckConfig => check_config(&source),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn check_config(source: &Source) -> Result<()> {
    platform::config::prepare(source, Prepared::of)?;
    println!("{VALID}");
    Ok(())
}

async fn migrate(source: &Source) -> Result<()> {
    let (store, place) = database_alone(source)?;
    store.migrate().await.with_context(|| format!("Postgres at {place}"))?;
    println!("the tables at {place} are up to date");
    Ok(())
}

async fn new_epoch(source: &Source) -> Result<()> {
    let (store, place) = database_alone(source)?;
    let epoch = store.begin_epoch().await.with_context(|| format!("Postgres at {place}"))?;
    println!("the database at {place} has the new epoch {epoch}: each device syncs anew");
    Ok(())
}

/// What a command needs that works on the database: the rest of the configuration may be that of somewhere else.
fn database_alone(source: &Source) -> Result<(PostgresStore, String)> {
    let prepare = |mut config: ChatConfig, mistakes: &mut Mistakes| {
        config.database.url = mistakes.keep(config.database.address())?.last_good();
        let store = mistakes.keep(PostgresStore::new(&config.database))?;
        Some((store, config.database.place()))
    };
    Ok(platform::config::prepare(source, prepare)?)
}

async fn run(source: &Source) -> Result<()> {
    let Prepared { mut config, amqp, database, grpc_tls, presence, telemetry, monitor } =
        platform::config::prepare(source, Prepared::of)?;
    let grpc = tokio::net::TcpListener::bind(&config.grpc_listen)
        .await
        .with_context(|| format!("grpc_listen: {}", config.grpc_listen))?;
    let grpc_address = grpc.local_addr()?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    let telemetry = telemetry.start("chat-service");
    let (metrics, readiness, tasks, shutdown) =
        (Metrics::new(), Readiness::new(), Tasks::new(), Shutdown::new());
    config.amqp.url = amqp.last_good().expose().to_owned();
    config.database.url = database.last_good();
    let store = PostgresStore::new(&config.database).context("database.url")?;
    let reload = Reload::new();
    let addresses = Addresses::new(&metrics, &reload, &tasks, &shutdown);
    addresses.keep_backend(&amqp);
    let (followed, settings) = (store.clone(), config.database.clone());
    addresses.keep(&database, move |url| followed.connect_to(&settings, url));
    let certificates = Certificates::new(&metrics, &reload, &tasks, &shutdown);
    let incoming = Incoming::listen(grpc, grpc_tls, &certificates);
    let presence = presence.channel(&certificates, &tasks, &shutdown);
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        service: "chat-service",
        instance: grpc_address.to_string(),
    };
    let admin = admin::start(management, admin)?;
    monitor.start(Observed {
        metrics: &metrics,
        readiness: &readiness,
        service: "chat-service",
        instance: grpc_address.to_string(),
        addresses: &addresses,
        tasks: &tasks,
        shutdown: &shutdown,
    });
    shutdown.on_signals(&tasks, Duration::from_millis(config.stop_grace_ms), &reload);
    println!("listening grpc={grpc_address} management={}", admin.address());

    if prepare(&config, &store, &readiness, &shutdown).await {
        tracing::info!(
            rabbitmq = config.amqp.place(),
            postgres = config.database.place(),
            "depends on"
        );
        let period = Duration::from_millis(config.database.statistics_ms.max(100));
        tasks.spawn("statistics", statistics::keep(store.clone(), period, shutdown.clone()));
        tasks.spawn("indexes", indexes::build(store.clone(), shutdown.clone()));
        let bus = Arc::new(RabbitBus::start_at(config.amqp.clone(), broker_at(amqp)));
        let adapters = Adapters {
            bus: bus.clone(),
            store: Arc::new(store.clone()),
            presence,
            metrics,
            readiness,
            tracer: telemetry.tracer(),
            // The broker remembers, and says what comes again.
            after_unclean_end: false,
            followers: config.followers,
        };
        build(config.lanes, config.queries, config.revocations, adapters)
            .run(incoming, shutdown.clone())
            .await;
        bus.close().await;
    }
    store.close().await;
    shutdown.force();
    if let Err(late) = tasks.join(Duration::from_secs(5)).await {
        tracing::warn!(?late, "tasks did not end");
    }
    telemetry.flush().await;
    Ok(())
}

/// Waits for the database and brings its tables up to date. False when stopping began first.
async fn prepare(
    config: &ChatConfig,
    store: &PostgresStore,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> bool {
    let place = config.database.place();
    let database = readiness.dependency(Cause::Database);
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let ready = match store.check().await {
            Ok(()) if config.database.migrate_at_start => {
                store.migrate().await.map_err(|error| error.to_string())
            }
            Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match ready {
            Ok(()) => break,
            Err(error) => database.down(format!("Postgres at {place}: {error}")),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shutdown.begun() => return false,
        }
    }
    if let Ok(settings) = store.unsafe_settings().await {
        for setting in settings {
            tracing::warn!(setting, "Postgres may lose what was acknowledged");
        }
    }
    if let Ok(true) = store.is_autovacuum_off().await {
        tracing::warn!("autovacuum of Postgres is off: tables grow by what is dead in them");
    }
    database.up();
    true
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
