//! A channel with a circuit breaker, whose calls carry their deadline to the service.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tonic::{Code, Status};
use tower::Service;

use super::breaker::{Breaker, Change, Ended, Pass};

/// Where a call's deadline travels: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
const DEADLINE: &str = "grpc-timeout";

/// A channel to a service. Clones share one circuit.
#[derive(Debug, Clone)]
pub struct GrpcChannel {
    inner: Channel,
    circuit: Option<Arc<Circuit>>,
    serving: Option<watch::Receiver<Option<bool>>>,
}

#[derive(Debug)]
struct Circuit {
    service: &'static str,
    deadline: HeaderValue,
    breaker: Mutex<Breaker>,
}

impl GrpcChannel {
    pub(super) fn guarded(
        inner: Channel,
        service: &'static str,
        deadline: Duration,
        failures: u32,
        open_for: Duration,
        serving: watch::Receiver<Option<bool>>,
    ) -> Self {
        // Digits and a letter are always a header.
        let deadline = HeaderValue::from_str(&format!("{}m", deadline.as_millis()))
            .unwrap_or_else(|_| HeaderValue::from_static("10S"));
        let breaker = Mutex::new(Breaker::new(failures, open_for));
        Self {
            inner,
            circuit: Some(Arc::new(Circuit { service, deadline, breaker })),
            serving: Some(serving),
        }
    }
}

impl GrpcChannel {
    /// Whether a replica serves, by the health service of each address; nothing while that is not known. None
    /// within one process.
    pub fn serving(&self) -> Option<watch::Receiver<Option<bool>>> {
        self.serving.clone()
    }
}

/// Within one process the service is always there.
impl From<Channel> for GrpcChannel {
    fn from(inner: Channel) -> Self {
        Self { inner, circuit: None, serving: None }
    }
}

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(circuit) = &self.circuit else { return Box::pin(self.inner.call(request)) };
        let Some(pass) = circuit.breaker.lock().pass(Instant::now()) else {
            let text =
                format!("{} has not answered for a while; it is tried again soon", circuit.service);
            return Box::pin(std::future::ready(Ok(Status::unavailable(text).into_http())));
        };
        request.headers_mut().entry(DEADLINE).or_insert_with(|| circuit.deadline.clone());
        let call = Call { circuit: Arc::clone(circuit), pass, ended: Ended::Dropped };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            call.ends(match &answer {
                Ok(answer) if !is_out_of_time(answer) => Ended::Answered,
                _ => Ended::Failed,
            });
            answer
        })
    }
}

/// Whether the answer says that the time was up, which counts as a missing answer; a server of tonic says `CANCELLED`
/// then. An error that is known before any message comes in the headers. Every other error, even `UNAVAILABLE`, comes
/// from a service that works: otherwise the requests of one caller could open the circuit for all callers.
fn is_out_of_time(answer: &Response<Body>) -> bool {
    let status = Status::from_header_map(answer.headers());
    matches!(status.map(|status| status.code()), Some(Code::DeadlineExceeded | Code::Cancelled))
}

/// A call under way; its end is noted also when the caller gives up.
struct Call {
    circuit: Arc<Circuit>,
    pass: Pass,
    ended: Ended,
}

impl Call {
    fn ends(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let now = Instant::now();
        let service = self.circuit.service;
        match self.circuit.breaker.lock().ended(self.pass, self.ended, now) {
            Some(Change::Opened) => tracing::warn!(service, "does not answer: asked less often"),
            Some(Change::Closed) => tracing::info!(service, "answers again"),
            None => {}
        }
    }
}

/// Asks a question, and once more where the first call found nobody: the replica that it went to may be
/// gone while another one serves. Not for calls that change something.
pub async fn ask<T, C, R, F>(
    client: &C,
    request: R,
    question: impl Fn(C, R) -> F,
) -> Result<T, Status>
where
    C: Clone,
    R: Clone,
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let answer = match question(client.clone(), request.clone()).await {
        Err(status) if status.code() == Code::Unavailable => {
            question(client.clone(), request).await
        }
        answer => answer,
    };
    answer.map(tonic::Response::into_inner)
}
