//! Accepts connections, speaks TLS with each, and hands over those that are secured. A slow or refused
//! caller holds up nobody else.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, Stream, StreamExt, unfold};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rustls::{AlertDescription, CertificateError, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::goaway;

/// Handshakes under way; further connections wait to be accepted.
const HANDSHAKES: usize = 256;
/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The same refusal of the same address is logged again after this time.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// Refusals of which the log is known to speak; beyond, all are said anew.
const SAID: usize = 256;
/// After the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(50);
/// With which every connection over TLS begins.
const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// A bound port that takes TLS only.
#[derive(Debug)]
pub struct TlsIncoming {
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    refused: Refused,
}

/// Counts refused callers.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Family<Reason, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Every reason: counted from 0.
const REASONS: [&str; 8] = [
    "timeout",
    "plain",
    "no_certificate",
    "expired",
    "untrusted",
    "bad_certificate",
    "refused_by_caller",
    "other",
];

impl Refused {
    pub(super) fn register(&self, registry: &mut Registry) {
        for reason in REASONS {
            self.0.get_or_create(&Reason { reason }).inc_by(0);
        }
        registry.register("refused", "Callers that this server did not take", self.0.clone());
    }
}

/// Why a caller was not taken: for the counter, in the words of the library, and what to do.
struct Refusal {
    reason: &'static str,
    error: String,
    advice: &'static str,
}

type Handshake = (SocketAddr, Result<TlsStream<TcpStream>, Refusal>);

impl TlsIncoming {
    pub(super) fn new(
        listener: TcpListener,
        config: watch::Receiver<Arc<ServerConfig>>,
        refused: Refused,
    ) -> Self {
        Self { listener, config, refused }
    }

    pub(in super::super) fn into_stream(
        self,
    ) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
        let handshakes = FuturesUnordered::new();
        unfold((self, handshakes, Said::default()), |(this, mut handshakes, mut said)| async move {
            loop {
                tokio::select! {
                    accepted = this.listener.accept(), if handshakes.len() < HANDSHAKES => {
                        match accepted {
                            // Each handshake has the files that are good at its beginning.
                            Ok((stream, address)) => {
                                let config = this.config.borrow().clone();
                                handshakes.push(shake(stream, address, config));
                            }
                            Err(error) => {
                                tracing::debug!(%error, "a connection for gRPC was not accepted");
                                tokio::time::sleep(PAUSE).await;
                            }
                        }
                    }
                    Some((address, ended)) = handshakes.next(), if !handshakes.is_empty() => {
                        match ended {
                            Ok(stream) => return Some((Ok(stream), (this, handshakes, said))),
                            Err(refusal) => this.refuse(address, &refusal, &mut said),
                        }
                    }
                }
            }
        })
    }

    fn refuse(&self, address: SocketAddr, refusal: &Refusal, said: &mut Said) {
        let Refusal { reason, error, advice } = refusal;
        debug_assert!(REASONS.contains(reason), "{reason} is not in REASONS");
        self.refused.0.get_or_create(&Reason { reason }).inc();
        if said.is_due(address.ip(), reason, Instant::now()) {
            tracing::warn!(%address, reason, error, advice, "a caller of gRPC is refused");
        }
    }
}

/// What the log was told lately. Callers try again several times a second.
#[derive(Debug, Default)]
struct Said(HashMap<(IpAddr, &'static str), Instant>);

impl Said {
    fn is_due(&mut self, address: IpAddr, reason: &'static str, now: Instant) -> bool {
        let key = (address, reason);
        let last = self.0.get(&key);
        if last.is_some_and(|last| now.saturating_duration_since(*last) < SAY_AGAIN) {
            return false;
        }
        if self.0.len() >= SAID {
            self.0.clear();
        }
        self.0.insert(key, now);
        true
    }
}

async fn shake(stream: TcpStream, address: SocketAddr, config: Arc<ServerConfig>) -> Handshake {
    let late = |_| Refusal {
        reason: "timeout",
        error: "the handshake took too long".to_owned(),
        advice: "see what connects to this port and says nothing, such as a probe",
    };
    let ended = timeout(HANDSHAKE, secure(stream, config)).await.map_err(late).flatten();
    (address, ended)
}

async fn secure(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<TlsStream<TcpStream>, Refusal> {
    let mut first = [0];
    let read = stream.peek(&mut first).await.map_err(|error| refusal(&error))?;
    if read == 1 && first[0] != TLS_HANDSHAKE_RECORD {
        // It may not listen.
        let _ = goaway::send(stream).await;
        return Err(Refusal {
            reason: "plain",
            error: "it speaks without TLS".to_owned(),
            advice: "let its urls begin with https:// and set ca_file, cert_file and key_file \
                     beside them",
        });
    }
    // Small messages are sent at once. A socket for which that cannot be set is as good.
    let _ = stream.set_nodelay(true);
    TlsAcceptor::from(config).accept(stream).await.map_err(|error| refusal(&error))
}

fn refusal(error: &io::Error) -> Refusal {
    use CertificateError::{BadSignature, Expired, ExpiredContext, UnknownIssuer};
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (reason, advice) = match cause {
        Some(rustls::Error::NoCertificatesPresented) => (
            "no_certificate",
            "it showed no certificate: set cert_file and key_file where it names this server",
        ),
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => {
            ("expired", "the caller's certificate has expired: renew its cert_file")
        }
        // The signature is bad where two authorities have the same name.
        Some(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => (
            "untrusted",
            "the caller's certificate is not by an authority of grpc_tls.client_ca_file: sign it \
             by one of these, or add its authority there",
        ),
        Some(rustls::Error::InvalidCertificate(_)) => {
            ("bad_certificate", "make the caller a certificate for client authentication")
        }
        Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA)) => (
            "refused_by_caller",
            "the caller does not trust grpc_tls.cert_file: add its authority to the caller's ca_file",
        ),
        Some(rustls::Error::AlertReceived(_)) => (
            "refused_by_caller",
            "the caller does not take grpc_tls.cert_file: the caller's log says why",
        ),
        _ => ("other", "see whether the caller speaks gRPC over TLS 1.2 or 1.3"),
    };
    Refusal { reason, error: error.to_string(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_said_once_a_minute_and_what_is_remembered_is_bounded() {
        let (mut said, now) = (Said::default(), Instant::now());
        let one = IpAddr::from([127, 0, 0, 1]);
        assert!(said.is_due(one, "plain", now) && !said.is_due(one, "plain", now));
        assert!(said.is_due(one, "expired", now));
        assert!(said.is_due(one, "plain", now + SAY_AGAIN));
        for last in 0..=u16::MAX {
            let [a, b] = last.to_be_bytes();
            said.is_due(IpAddr::from([10, 0, a, b]), "plain", now);
        }
        assert!(said.0.len() <= SAID);
    }
}
