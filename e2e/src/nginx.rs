//! Nginx before the gateways of a test, by the configuration that we ship: only addresses and paths are
//! put into it. Must not correct it: what is wrong there is to be found.

use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::process::log_folder;

/// What is shipped.
const CONFIGURATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx/nginx.conf"));
/// The line that keeps a user at one gateway.
const HASH: &str = "        hash $stays_with consistent;\n";
/// Debian puts it where only root looks; elsewhere the path knows.
const DEBIANS: &str = "/usr/sbin/nginx";

/// How requests are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// As shipped.
    ByUser,
    /// In turns, as the file says how; event streams stay by user.
    RoundRobin,
    /// Everything in turns: as balancers do that know nothing of us.
    RoundRobinThroughout,
}

/// A running Nginx; stopped when dropped.
#[derive(Debug)]
pub struct Nginx {
    address: String,
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it before two gateways (`host:port`) on a free port beside the first one.
    pub async fn start(label: &str, gateways: [&str; 2], balance: Balance) -> Self {
        let nginx = Self::before(label, gateways, balance);
        nginx.answers(|status| status.is_success()).await;
        nginx
    }

    /// Starts it where no gateway is: whatever is asked is answered by Nginx itself.
    pub async fn before_nobody(label: &str) -> Self {
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = nobody.local_addr().expect("it is bound").to_string();
        drop(nobody);
        let nginx = Self::before(label, [&address; 2], Balance::ByUser);
        nginx.answers(|status| status == StatusCode::BAD_GATEWAY).await;
        nginx
    }

    fn before(label: &str, gateways: [&str; 2], balance: Balance) -> Self {
        let (host, _) = gateways[0].rsplit_once(':').expect("host:port");
        let free = TcpListener::bind((host, 0)).expect("a free port");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        // Its workers are somebody else when root starts it, and must get to their files.
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir();
        let folder = folder.expect("a folder for its files");
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(&address, gateways, folder.path(), balance))
            .expect("its folder can be written");
        let log = log_folder().join(format!("{label}-nginx.log"));
        let child = spawn(&file, &File::create(&log).expect("log file"));
        Self { address, child, log, _folder: folder }
    }

    /// Everything that it has written to its logs.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log can be read")
    }

    /// `host:port` for clients.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn answers(&self, is_expected: impl Fn(StatusCode) -> bool) {
        let url = format!("http://{}/api/v1/meta", self.address);
        let says = || std::fs::read_to_string(&self.log).unwrap_or_default();
        eventually("Nginx answers", Duration::from_secs(20), || async {
            match reqwest::get(&url).await {
                Ok(answer) if is_expected(answer.status()) => Ok(()),
                Ok(answer) => Err(format!("{}: {}", answer.status(), says())),
                Err(error) => Err(format!("{error}: {}", says())),
            }
        })
        .await;
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked, and not killed: its workers would outlive it.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.map(|pid| kill_process(pid, Signal::TERM));
        if asked.is_some_and(|asked| asked.is_ok()) {
            let _ = self.child.wait();
        }
    }
}

fn spawn(configuration: &Path, log: &File) -> Child {
    let binary = if Path::new(DEBIANS).exists() { DEBIANS } else { "nginx" };
    Command::new(binary)
        .args(["-e", "stderr", "-g", "daemon off;", "-c"])
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log.try_clone().expect("a file can be shared"))
        .spawn()
        .unwrap_or_else(|error| panic!("{binary}: {error}: run `make test`, or `make nginx`"))
}

/// The shipped file with other addresses and paths. Whatever is looked for must be there.
fn configuration(address: &str, gateways: [&str; 2], folder: &Path, balance: Balance) -> String {
    let mut text = CONFIGURATION.to_owned();
    let mut put = |from: &str, to: &str| {
        assert!(text.contains(from), "nginx.conf has no {from:?} any more");
        text = text.replace(from, to);
    };
    put("listen 8080;", &format!("listen {address};"));
    put("/tmp/", &format!("{}/", folder.to_str().expect("plain path")));
    put("server gateway-1:8080", &format!("server {}", gateways[0]));
    put("server gateway-2:8080", &format!("server {}", gateways[1]));
    assert_eq!(text.matches(HASH).count(), 2, "of `gateways` and of `streams`");
    match balance {
        Balance::ByUser => text,
        Balance::RoundRobin => text.replacen(HASH, "", 1),
        Balance::RoundRobinThroughout => text.replace(HASH, ""),
    }
}
