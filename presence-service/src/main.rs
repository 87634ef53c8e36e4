//! The binary `presence-service`: reads the configuration, makes the adapters, runs the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use clap::{Parser, Subcommand};
use platform::admin::{self, Admin};
use platform::config::{Source, VALID};
use platform::grpc::{Certificates, Incoming};
use platform::metrics::Metrics;
use platform::monitor::Observed;
use platform::readiness::Readiness;
use platform::reload::Reload;
use platform::reload::address::Addresses;
use platform::reload::backend::{Backend, Reached};
use platform::shutdown::{Shutdown, Tasks};
use presence_service::config::ENV_PREFIX;
use presence_service::prepared::Prepared;
use presence_service::store::redis::RedisStore;
use presence_service::{Adapters, build};

/// Who is connected where, and in which state.
///
/// Needs RabbitMQ, Redis and the chat service. Every key of the configuration can also be given as an
/// environment variable: `redis.url` is `TIDINGS_PRESENCE__REDIS__URL`.
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

async fn run(source: &Source) -> Result<()> {
    let Prepared { mut config, amqp, redis, grpc_tls, chat, telemetry, monitor } =
        platform::config::prepare(source, Prepared::of)?;
    let grpc = tokio::net::TcpListener::bind(&config.grpc_listen)
        .await
        .with_context(|| format!("grpc_listen: {}", config.grpc_listen))?;
    let grpc_address = grpc.local_addr()?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    let telemetry = telemetry.start("presence-service");
    let (metrics, readiness, tasks, shutdown) =
        (Metrics::new(), Readiness::new(), Tasks::new(), Shutdown::new());
    let reload = Reload::new();
    let addresses = Addresses::new(&metrics, &reload, &tasks, &shutdown);
    addresses.keep_backend(&amqp);
    addresses.keep_backend(&redis);
    config.amqp.url = amqp.last_good().expose().to_owned();
    config.redis.url = redis.last_good().expose().to_owned();
    let place = config.redis.place();
    let store =
        RedisStore::start(config.redis, redis, config.leases, &readiness, &tasks, &shutdown);
    let certificates = Certificates::new(&metrics, &reload, &tasks, &shutdown);
    let incoming = Incoming::listen(grpc, grpc_tls, &certificates);
    let chat = chat.channel(&certificates, &tasks, &shutdown);
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        service: "presence-service",
        instance: grpc_address.to_string(),
    };
    let admin = admin::start(management, admin)?;
    monitor.start(Observed {
        metrics: &metrics,
        readiness: &readiness,
        service: "presence-service",
        instance: grpc_address.to_string(),
        addresses: &addresses,
        tasks: &tasks,
        shutdown: &shutdown,
    });
    shutdown.on_signals(&tasks, Duration::from_millis(config.stop_grace_ms), &reload);
    println!("listening grpc={grpc_address} management={}", admin.address());
    tracing::info!(rabbitmq = config.amqp.place(), redis = place, "depends on");

    let bus = Arc::new(RabbitBus::start_at(config.amqp, broker_at(amqp)));
    let adapters = Adapters {
        bus: bus.clone(),
        store: Arc::new(store),
        chat,
        metrics,
        readiness,
        tracer: telemetry.tracer(),
    };
    Box::pin(build(config.presence, adapters).run(incoming, shutdown.clone())).await;
    bus.close().await;
    shutdown.force();
    if let Err(late) = tasks.join(Duration::from_secs(5)).await {
        tracing::warn!(?late, "tasks did not end");
    }
    telemetry.flush().await;
    Ok(())
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
