//! What must be known before the first connection: addresses, the secret, files enough, processes to watch.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::processes;
use crate::values::{NamedPid, Secret, WsUrl};
use crate::ws::handshake::Target;

/// Files the process needs beside its clients' sockets.
const OTHER_FILES: u64 = 64;

/// A run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The secret cannot be read.
    #[error("--secret-file {}: {source}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An address has no meaning.
    #[error("--url {authority}: {source}")]
    Resolve {
        /// `host:port`.
        authority: String,
        /// Why.
        source: io::Error,
    },
    /// Too few file descriptors for the clients.
    #[error(
        "{needed} sockets are needed and `ulimit -n` is {limit}: fewer clients, or more fleets"
    )]
    Files {
        /// For clients and the rest.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// A process of `--server-pids` is not there.
    #[error("--server-pids: not running: {0}")]
    Processes(String),
}

/// The secret as given, or out of its file.
pub fn secret(given: Option<&Secret>, file: Option<&Path>) -> Result<Secret, PrepareError> {
    match (given, file) {
        (Some(secret), _) => Ok(secret.clone()),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) if !text.trim_ascii().is_empty() => {
                Ok(Secret::from(text.trim_ascii().to_owned()))
            }
            Ok(_) => {
                let source = io::Error::new(io::ErrorKind::InvalidData, "the file is empty");
                Err(PrepareError::Secret { path: path.to_path_buf(), source })
            }
            Err(source) => Err(PrepareError::Secret { path: path.to_path_buf(), source }),
        },
        (None, None) => {
            let source = io::Error::new(io::ErrorKind::NotFound, "no secret is given");
            Err(PrepareError::Secret { path: "".into(), source })
        }
    }
}

/// Where the addresses lead.
pub async fn targets(urls: &[WsUrl]) -> Result<Arc<[Target]>, PrepareError> {
    let mut targets = Vec::new();
    for url in urls {
        let authority = &url.authority;
        let resolve = |source| PrepareError::Resolve { authority: authority.clone(), source };
        let mut addresses: Vec<_> =
            tokio::net::lookup_host(authority.as_str()).await.map_err(resolve)?.collect();
        // The source addresses are IPv4.
        addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
        let address = addresses
            .first()
            .copied()
            .ok_or_else(|| resolve(io::Error::from(io::ErrorKind::NotFound)))?;
        let (authority, path) = (authority.clone(), url.path.clone());
        targets.push(Target { address, authority, path, subprotocol: None, offers_deflate: false });
    }
    Ok(targets.into())
}

/// There are files enough for so many sockets.
pub fn check_file_limit(clients: u32) -> Result<(), PrepareError> {
    let needed = u64::from(clients) + OTHER_FILES;
    match processes::file_limit() {
        Some(limit) if limit < needed => Err(PrepareError::Files { needed, limit }),
        _ => Ok(()),
    }
}

/// All of these run.
pub fn check_processes(named: &[NamedPid]) -> Result<(), PrepareError> {
    let missing = processes::missing(named);
    if missing.is_empty() { Ok(()) } else { Err(PrepareError::Processes(missing.join(", "))) }
}
