//! A network namespace for one service, joined to the rest by a pair of interfaces, so that packets
//! are lost for real and in one direction only. Wants root, `ip` and `nft`, and a kernel that lets us.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::machine;
use super::wiring::Apart;

/// What namespaces of all runs begin with; then the pid of their run.
const PREFIX: &str = "tidings-chaos-";

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// Both ways.
    All,
    /// Those to the service.
    Incoming,
    /// Those from the service.
    Outgoing,
    /// So many of a hundred, both ways.
    Some(u8),
}

/// A namespace; removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    /// The interface inside.
    interface: String,
    apart: Apart,
}

impl Namespace {
    /// Makes one.
    pub async fn create() -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "not root");
        for tool in ["ip", "nft"] {
            program(tool).with_context(|| format!("{tool} is not installed"))?;
        }
        sweep().await?;
        let number: u16 = rand::random();
        let name = format!("{PREFIX}{}-{number:04x}", std::process::id());
        let (outer, interface) = (format!("tcho{number:04x}"), format!("tchi{number:04x}"));
        // Four addresses of a range that is for tests (RFC 2544).
        let [high, low] = number.to_be_bytes();
        let address = |last: u8| Ipv4Addr::new(198, 18 + (low & 1), high, (low & 0xFC) | last);
        let apart = Apart { outside: address(1), inside: address(2) };
        ip(&["netns", "add", &name]).await?;
        // From here on it is removed when something fails.
        let namespace = Self { name, interface, apart };
        let (name, inner) = (&namespace.name, &namespace.interface);
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", inner, "netns", name]).await?;
        ip(&["addr", "add", &format!("{}/30", apart.outside), "dev", &outer]).await?;
        ip(&["link", "set", &outer, "up"]).await?;
        let inside = format!("{}/30", apart.inside);
        ip(&["-n", name, "addr", "add", &inside, "dev", inner]).await?;
        ip(&["-n", name, "link", "set", inner, "up"]).await?;
        ip(&["-n", name, "link", "set", "lo", "up"]).await?;
        namespace.lose(Packets::All).await?;
        namespace.heal().await?;
        Ok(namespace)
    }

    /// Its addresses.
    pub fn apart(&self) -> Apart {
        self.apart
    }

    /// The program and arguments that start another program in there.
    pub fn enter(&self, path: &Path) -> anyhow::Result<(PathBuf, Vec<String>)> {
        let path = path.to_str().context("plain names")?.to_owned();
        let enter = ["netns".to_owned(), "exec".to_owned(), self.name.clone(), path];
        Ok((program("ip").context("ip is gone")?, enter.to_vec()))
    }

    /// Loses packets from now on.
    pub async fn lose(&self, packets: Packets) -> anyhow::Result<()> {
        let interface = &self.interface;
        let some = match packets {
            Packets::Some(percent) => format!("numgen random mod 100 < {percent} "),
            _ => String::new(),
        };
        let incoming = format!("iifname \"{interface}\" {some}counter drop");
        let outgoing = format!("oifname \"{interface}\" {some}counter drop");
        let (incoming, outgoing) = match packets {
            Packets::All | Packets::Some(_) => (incoming, outgoing),
            Packets::Incoming => (incoming, String::new()),
            Packets::Outgoing => (String::new(), outgoing),
        };
        let rules = format!(
            "table inet chaos {{\n\
             chain in {{\ntype filter hook input priority 0\n{incoming}\n}}\n\
             chain out {{\ntype filter hook output priority 0\n{outgoing}\n}}\n}}\n"
        );
        self.nft(&["-f", "-"], &rules).await.map(|_| ())
    }

    /// Loses none any more; how many were lost.
    pub async fn heal(&self) -> anyhow::Result<u64> {
        let listed = self.nft(&["list", "table", "inet", "chaos"], "").await?;
        self.nft(&["delete", "table", "inet", "chaos"], "").await?;
        let words: Vec<&str> = listed.split_ascii_whitespace().collect();
        let counts = words.windows(2).filter(|pair| pair[0] == "packets");
        Ok(counts.filter_map(|pair| pair[1].parse::<u64>().ok()).sum())
    }

    async fn nft(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let nft = program("nft").context("nft is gone")?;
        let nft = nft.to_str().context("plain names")?;
        let all = [&["netns", "exec", &self.name, nft], arguments].concat();
        run("ip", &all, input).await
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The interfaces go with it.
        let arguments = ["netns", "del", &self.name];
        let _ = std::process::Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    }
}

/// Removes what runs left behind that were killed.
async fn sweep() -> anyhow::Result<()> {
    let listed = ip(&["netns", "list"]).await?;
    for name in listed.lines().filter_map(|line| line.split_ascii_whitespace().next()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid| !machine::is_running(pid)) {
            ip(&["netns", "del", name]).await?;
        }
    }
    Ok(())
}

/// Where a tool lies: services are started without a search path.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
}

async fn ip(arguments: &[&str]) -> anyhow::Result<String> {
    run("ip", arguments, "").await
}

async fn run(name: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let path = program(name).with_context(|| format!("{name} is not installed"))?;
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
