//! The proxy as a program: several links in one process, told what to do by lines of JSON.
//!
//! It prints `listening name=address …` once, then one line of JSON for each line it is told. It
//! ends with its standard input, so that it never outlives who started it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};
use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Fault, Proxy, Seen};

/// Longest line on standard input, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// What the help says beyond the options.
pub const HELP: &str = r#"Standard input, one JSON object a line; `link` names one of --link, or all when absent:
  {"fault":"pass"}                                    forwards
  {"fault":"delay","ms":50,"jitter_ms":20}            late, in order
  {"fault":"throttle","bytes_per_second":2000}        slow, each direction of each connection
  {"fault":"half_open"}                               accepts and reads nothing
  {"fault":"one_way","way":"up"}                      forwards only to the upstream (or "down")
  {"fault":"refuse"}                                  the port is closed, open connections reset
  {"fault":"reset"}                                   once: resets what is open
  {"fault":"cut"}                                     once: ends what is open
  {"fault":"truncate","way":"down","after_bytes":100} once: cuts what is open after so many bytes
  {"fault":"seen"}                                    changes nothing
Each line is answered by one, with what each link has seen.

Example:
  fleet proxy --link broker=127.0.0.1:0,127.0.0.1:5672"#;

/// The options of `fleet proxy`.
#[derive(Debug, Clone, Args)]
pub struct ProxyOptions {
    /// A link: name=listen,upstream; may be given several times. Port 0 takes a free one.
    #[arg(long = "link", required = true)]
    pub links: Vec<LinkOption>,
}

/// `name=listen,upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOption {
    /// What it is called in commands.
    pub name: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to forward to.
    pub upstream: SocketAddr,
}

impl FromStr for LinkOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (listen, upstream) = rest.split_once(',')?;
            Some((name, listen.parse().ok()?, upstream.parse().ok()?))
        });
        match parts {
            Some((name, listen, upstream)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), listen, upstream })
            }
            _ => Err("give name=ip:port,ip:port".to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    link: Option<String>,
    #[serde(flatten)]
    order: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Done { links: BTreeMap<&'a str, Seen> },
    Refused { error: String },
}

/// Runs the links until standard input ends. Blocks: the links live on a thread of their own.
pub fn run(options: &ProxyOptions) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _inside = runtime.enter();
    let mut links = BTreeMap::new();
    for LinkOption { name, listen, upstream } in &options.links {
        links.insert(name.as_str(), Proxy::start(*listen, *upstream)?);
    }
    let addresses: Vec<String> =
        links.iter().map(|(name, proxy)| format!("{name}={}", proxy.address())).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "listening {}", addresses.join(" "))?;
    let told = converse(&links, io::stdin().lock(), &mut out);
    runtime.block_on(async {
        for proxy in links.into_values() {
            proxy.stop().await;
        }
    });
    told
}

fn converse(
    links: &BTreeMap<&str, Proxy>,
    mut input: impl BufRead,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if input.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match obey(links, &line) {
            Ok(links) => Answer::Done { links },
            Err(error) => Answer::Refused { error },
        };
        serde_json::to_writer(&mut *out, &answer)?;
        writeln!(out)?;
    }
}

/// Does what a line says; what the links have seen, those it names.
fn obey<'a>(
    links: &'a BTreeMap<&'a str, Proxy>,
    line: &str,
) -> Result<BTreeMap<&'a str, Seen>, String> {
    let told: Told = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let is_question = told.order.get("fault").is_some_and(|fault| fault == "seen");
    let fault: Option<Fault> = if is_question {
        None
    } else {
        let order = serde_json::Value::Object(told.order);
        Some(serde_json::from_value(order).map_err(|error| error.to_string())?)
    };
    let is_meant = |name: &str| told.link.as_deref().is_none_or(|link| link == name);
    let meant: Vec<_> = links.iter().filter(|(name, _)| is_meant(name)).collect();
    if meant.is_empty() {
        return Err(format!("no link {}", told.link.unwrap_or_default()));
    }
    if let Some(fault) = fault {
        for (_, proxy) in &meant {
            proxy.set(fault);
        }
    }
    Ok(meant.into_iter().map(|(name, proxy)| (*name, proxy.seen())).collect())
}
