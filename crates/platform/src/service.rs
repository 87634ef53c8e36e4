//! What the program of every service does before it has anything of its own, and after that has ended: telemetry, metrics,
//! the management port, signals, and the wait for its tasks. Must not know any service.

use std::fmt::Display;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Addresses;
use crate::admin::{self, Admin, AdminHandle};
use crate::config::{self, ConfigErrors, Mistakes, Source, VALID};
use crate::grpc::Certificates;
use crate::metrics::Metrics;
use crate::monitor::{Observed, PreparedMonitor};
use crate::readiness::Readiness;
use crate::reload::Reload;
use crate::shutdown::{Shutdown, Tasks};
use crate::telemetry::{PreparedTelemetry, Telemetry};
use crate::trace::Tracer;

/// What a mistake in the configuration ends with.
const BAD_CONFIGURATION: u8 = 2;
/// How long tasks may take after they were told to give up.
const LAST: Duration = Duration::from_secs(5);

/// How a command of a service has ended, as the code of its process; a failure is said on standard error.
pub fn exit(ended: Result<(), impl Display>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

/// The command `check-config`: finds every mistake that a start would find, and connects to nothing.
pub fn check_config<T, P>(
    source: &Source,
    prepare: impl FnOnce(T, &mut Mistakes) -> Option<P>,
) -> Result<(), ConfigErrors>
where
    T: Serialize + DeserializeOwned + Default,
{
    config::prepare(source, prepare)?;
    println!("{VALID}");
    Ok(())
}

/// What a service stands on while its program runs.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    /// Its registry.
    pub metrics: Metrics,
    /// What it lacks.
    pub readiness: Readiness,
    /// The tasks of the program itself.
    pub tasks: Tasks,
    /// Stops what the service does.
    pub shutdown: Shutdown,
    /// Stops what its calls need: the same, or later where calls are still made while clients are drained.
    pub links: Shutdown,
    /// Files are to be read again.
    pub reload: Reload,
    /// Of backends, as their files are.
    pub addresses: Addresses,
    /// For gRPC, as their files are.
    pub certificates: Certificates,
    telemetry: Telemetry,
    management: Option<AdminHandle>,
}

impl Service {
    /// Begins telemetry; nothing runs yet. Call it inside the runtime, once for each process.
    pub fn begin(
        name: &'static str,
        telemetry: PreparedTelemetry,
        shutdown: Shutdown,
        links: Shutdown,
    ) -> Self {
        let telemetry = telemetry.start(name);
        let (metrics, readiness, tasks) = (Metrics::new(), Readiness::new(), Tasks::new());
        let reload = Reload::new();
        let addresses = Addresses::new(&metrics, &reload, &tasks, &links);
        let certificates = Certificates::new(&metrics, &reload, &tasks, &links);
        Self {
            name,
            metrics,
            readiness,
            tasks,
            shutdown,
            links,
            reload,
            addresses,
            certificates,
            telemetry,
            management: None,
        }
    }

    /// Opens the management port, begins to watch the process, and stops at signals from now on. The port's address.
    pub fn open(
        &mut self,
        management: TcpListener,
        instance: String,
        monitor: PreparedMonitor,
        stop_grace: Duration,
    ) -> std::io::Result<SocketAddr> {
        let admin = Admin {
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            service: self.name,
            instance: instance.clone(),
        };
        let admin = admin::start(management, admin)?;
        monitor.start(Observed {
            metrics: &self.metrics,
            readiness: &self.readiness,
            service: self.name,
            instance,
            addresses: &self.addresses,
            tasks: &self.tasks,
            shutdown: &self.shutdown,
        });
        self.shutdown.on_signals(&self.tasks, stop_grace, &self.reload);
        Ok(self.management.insert(admin).address())
    }

    /// For spans.
    pub fn tracer(&self) -> Tracer {
        self.telemetry.tracer()
    }

    /// The service has ended: so does all that it stood on.
    pub async fn end(self) {
        self.links.force();
        self.shutdown.force();
        if let Err(late) = self.tasks.join(LAST).await {
            tracing::warn!(?late, "tasks did not end");
        }
        self.telemetry.flush().await;
    }
}
