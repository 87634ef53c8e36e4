//! The binary `gateway`: reads the configuration, makes the adapters, runs the gateway.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::RabbitBus;
use clap::Parser;
use gateway::config::{ENV_PREFIX, GatewayConfig};
use gateway::{Adapters, Login, Settings, build};
use platform::admin::{self, Admin};
use platform::config::Source;
use platform::grpc::Certificates;
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use platform::token::{self, Signer, Verifier};

/// The edge: WebSockets, REST and the chat page.
///
/// Needs RabbitMQ, the chat service and the presence service. Every key of the configuration can also
/// be given as an environment variable: `amqp.url` is `TIDINGS_GATEWAY__AMQP__URL`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; docs/configuration.md lists its keys.
    #[arg(long)]
    config: Option<PathBuf>,
}

/// What a mistake in the configuration ends with.
const BAD_CONFIGURATION: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    platform::install_crypto_provider();
    let source = Source::from_process(Arguments::parse().config, ENV_PREFIX);
    let config: GatewayConfig = match platform::config::load(&source) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

async fn run(mut config: GatewayConfig) -> Result<()> {
    config.amqp.prepare()?;
    config.chat_grpc.check("chat_grpc")?;
    config.presence_grpc.check("presence_grpc")?;
    let login = Login::new(&config.login)?;
    let gateway_id = config.gateway_id()?;
    let verifier = Arc::new(Verifier::from_config(&config.auth)?);
    let dev_signer = config
        .auth
        .dev_tokens
        .then(|| Signer::from_config(&config.auth))
        .transpose()?
        .map(Arc::new);
    let listener = tokio::net::TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("listen: {}", config.listen))?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    let telemetry = platform::telemetry::init(&config.telemetry, "gateway")?;
    let (metrics, readiness, tasks, shutdown) =
        (Metrics::new(), Readiness::new(), Tasks::new(), Shutdown::new());
    // Calls are still made while the sockets are drained.
    let links = Shutdown::new();
    let reload = Reload::new();
    let certificates = Certificates::new(&metrics, &reload, &tasks, &links);
    let link =
        |section, config| platform::grpc::channel(section, config, &certificates, &tasks, &links);
    let chat = link("chat_grpc", &config.chat_grpc)?;
    let presence = link("presence_grpc", &config.presence_grpc)?;
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        service: "gateway",
        instance: gateway_id.to_string(),
    };
    let admin = admin::start(management, admin)?;
    shutdown.on_signals(&tasks, Duration::from_millis(config.stop_grace_ms), &reload);
    token::rotate(Arc::clone(&verifier), dev_signer.clone(), &metrics, &reload, &tasks, &shutdown);
    println!("listening http={} management={}", listener.local_addr()?, admin.address());
    tracing::info!(rabbitmq = config.amqp.place(), "depends on");

    let bus = Arc::new(RabbitBus::start(config.amqp));
    let adapters = Adapters {
        bus: bus.clone(),
        chat,
        presence,
        verifier,
        dev_signer,
        metrics,
        readiness,
        tracer: telemetry.tracer(),
    };
    let settings = Settings {
        gateway_id,
        allowed_origins: config.allowed_origins,
        // There are none unless they were asked for.
        dev_tokens_for_all: true,
        leeway_secs: config.auth.leeway_secs,
        limits: config.limits,
        admission: config.admission,
        allow: config.allow,
        login,
        network: config.network,
        files: platform::files::raise_limit(),
    };
    build(settings, adapters, listener, shutdown.clone()).run().await;
    bus.close().await;
    links.force();
    shutdown.force();
    if let Err(late) = tasks.join(Duration::from_secs(5)).await {
        tracing::warn!(?late, "tasks did not end");
    }
    telemetry.flush().await;
    Ok(())
}
