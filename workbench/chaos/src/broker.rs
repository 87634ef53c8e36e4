//! A RabbitMQ node of its own: name, ports, data and cookie.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use super::daemon::{Daemon, Launch, path_variable};
use super::machine;

/// Where Debian and the project's own packages put the scripts. Those in /usr/sbin change the user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// A running node.
#[derive(Debug)]
pub struct Broker {
    /// Its process.
    pub daemon: Daemon,
    environment: Vec<(String, String)>,
    node: String,
}

impl Broker {
    /// Starts a node with its data under `folder`.
    pub async fn start(host: Ipv4Addr, folder: &Path, log: PathBuf) -> anyhow::Result<Self> {
        let data = folder.join("broker/mnesia");
        std::fs::create_dir_all(&data)?;
        let folder = folder.join("rabbitmq");
        std::fs::create_dir_all(folder.join("home"))?;
        let port = machine::free_port(host)?;
        let dist_port = machine::free_port(Ipv4Addr::UNSPECIFIED)?;
        let text = |name: &str| -> anyhow::Result<String> {
            Ok(folder.join(name).to_str().context("the folder has a plain name")?.to_owned())
        };
        // Small files: its disk is small.
        let settings = format!(
            "listeners.tcp.default = {host}:{port}\nlog.file.level = warning\n\
             disk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 32000000\n"
        );
        std::fs::write(folder.join("rabbitmq.conf"), settings)?;
        std::fs::write(folder.join("plugins"), "[].\n")?;
        let node = format!("chaos_{:08x}@localhost", rand::random::<u32>());
        let environment: Vec<(String, String)> = [
            ("HOME", text("home")?),
            ("RABBITMQ_NODENAME", node.clone()),
            ("RABBITMQ_DIST_PORT", dist_port.to_string()),
            (
                "RABBITMQ_MNESIA_BASE",
                data.to_str().context("the folder has a plain name")?.to_owned(),
            ),
            ("RABBITMQ_LOG_BASE", text("log")?),
            ("RABBITMQ_CONFIG_FILE", text("rabbitmq.conf")?),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", text("plugins")?),
            ("RABBITMQ_PID_FILE", text("pid")?),
            // Not the machine's own settings.
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain([path_variable()])
        .collect();
        let daemon = Daemon::start(Launch {
            name: "broker",
            program: Path::new(SCRIPTS).join("rabbitmq-server"),
            arguments: Vec::new(),
            environment: environment.clone(),
            user: None,
            address: (host, port).into(),
            pid_file: Some(folder.join("pid")),
            log,
        })
        .await?;
        Ok(Self { daemon, environment, node })
    }

    async fn control(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(Path::new(SCRIPTS).join("rabbitmqctl"))
            .args(["-q", "-n", &self.node])
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .output()
            .await
            .context("rabbitmqctl")?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(output.status.success(), "rabbitmqctl {arguments:?}: {said}");
        Ok(said)
    }

    /// The alarms.
    pub async fn alarms(&self) -> anyhow::Result<String> {
        self.control(&["eval", "rabbit_alarm:get_alarms()."]).await
    }

    /// Raises or clears the memory alarm; the alarms then.
    pub async fn alarm(&self, is_raised: bool) -> anyhow::Result<String> {
        let level = if is_raised { "0" } else { "0.4" };
        self.control(&["set_vm_memory_high_watermark", level]).await?;
        self.alarms().await
    }

    /// Raises or clears the disk alarm; the alarms then.
    pub async fn disk_alarm(&self, is_raised: bool) -> anyhow::Result<String> {
        let limit = if is_raised { "1000000GB" } else { "50MB" };
        self.control(&["set_disk_free_limit", limit]).await?;
        self.alarms().await
    }

    /// The server's version.
    pub async fn version(&self) -> String {
        let version = self.control(&["eval", "rabbit_misc:version()."]).await;
        version.map_or_else(|_| "unknown".to_owned(), |text| text.trim_matches('"').to_owned())
    }
}
