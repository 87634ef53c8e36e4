//! The binary `gateway`: reads the configuration, makes the adapters, runs the gateway.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use clap::{Parser, Subcommand};
use gateway::config::{ENV_PREFIX, GatewayConfig};
use gateway::prepared::Prepared;
use gateway::{Adapters, Settings, build};
use platform::admin::{self, Admin};
use platform::config::{Source, VALID};
use platform::grpc::Certificates;
use platform::metrics::Metrics;
use platform::monitor::Observed;
use platform::readiness::Readiness;
use platform::reload::Reload;
use platform::reload::address::Addresses;
use platform::reload::backend::{Backend, Reached};
use platform::shutdown::{Shutdown, Tasks};
use platform::token;

/// The edge: WebSockets, REST and the chat page.
///
/// Needs RabbitMQ, the chat service and the presence service. Every key of the configuration can also
/// be given as an environment variable: `amqp.url` is `TIDINGS_GATEWAY__AMQP__URL`.
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
    let Prepared {
        mut config,
        gateway_id,
        amqp,
        chat,
        presence,
        login,
        servers,
        verifier,
        tenants,
        dev_signers,
        telemetry,
        monitor,
    } = platform::config::prepare(source, Prepared::of)?;
    let verifier = Arc::new(verifier);
    let (listener, management) = bind(&config).await?;
    let telemetry = telemetry.start("gateway");
    let (metrics, readiness, tasks, shutdown) =
        (Metrics::new(), Readiness::new(), Tasks::new(), Shutdown::new());
    // Calls are still made while the sockets are drained.
    let links = Shutdown::new();
    let reload = Reload::new();
    config.amqp.url = amqp.last_good().expose().to_owned();
    let addresses = Addresses::new(&metrics, &reload, &tasks, &links);
    addresses.keep_backend(&amqp);
    let certificates = Certificates::new(&metrics, &reload, &tasks, &links);
    let chat = chat.channel(&certificates, &tasks, &links);
    let presence = presence.channel(&certificates, &tasks, &links);
    let instance = gateway_id.to_string();
    let (asked, counted) = (readiness.clone(), metrics.clone());
    let admin = Admin { readiness: asked, metrics: counted, service: "gateway", instance };
    let admin = admin::start(management, admin)?;
    monitor.start(Observed {
        metrics: &metrics,
        readiness: &readiness,
        service: "gateway",
        instance: gateway_id.to_string(),
        addresses: &addresses,
        tasks: &tasks,
        shutdown: &shutdown,
    });
    shutdown.on_signals(&tasks, Duration::from_millis(config.stop_grace_ms), &reload);
    token::rotate(Arc::clone(&verifier), dev_signers.all(), &metrics, &reload, &tasks, &shutdown);
    println!("listening http={} management={}", listener.local_addr()?, admin.address());
    tracing::info!(rabbitmq = config.amqp.place(), "depends on");

    let bus = Arc::new(RabbitBus::start_at(config.amqp, broker_at(amqp)));
    let adapters = Adapters {
        bus: bus.clone(),
        chat,
        presence,
        verifier,
        dev_signers,
        metrics,
        readiness,
        tracer: telemetry.tracer(),
    };
    let settings = Settings {
        gateway_id,
        allowed_origins: config.allowed_origins,
        tenants,
        // There are none unless they were asked for.
        dev_tokens_for_all: true,
        leeway_secs: config.auth.leeway_secs,
        limits: config.limits,
        admission: config.admission,
        allow: config.allow,
        login,
        network: config.network,
        rebalance: config.rebalance,
        servers,
        files: platform::files::raise_limit(),
    };
    build(settings, adapters, listener, shutdown.clone()).run().await;
    bus.close().await;
    links.force();
    shutdown.force();
    join(&tasks).await;
    telemetry.flush().await;
    Ok(())
}

/// For clients, and for those who operate it.
async fn bind(config: &GatewayConfig) -> Result<(tokio::net::TcpListener, std::net::TcpListener)> {
    let clients = tokio::net::TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("listen: {}", config.listen))?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    Ok((clients, management))
}

async fn join(tasks: &Tasks) {
    if let Err(late) = tasks.join(Duration::from_secs(5)).await {
        tracing::warn!(?late, "tasks did not end");
    }
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
