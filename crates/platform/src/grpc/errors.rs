//! Counts what a gRPC server refuses, by method and code: in one place, whichever layer refuses it.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::metrics::Metrics;

/// A refused call. Both labels are of closed sets in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    method: String,
    code: &'static str,
}

/// What services answer when they refuse: counted from 0 for each of their methods. Of other codes a counter begins
/// when it is first needed, since each would be as many series as there are methods.
const ANSWERED: [Code; 7] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Internal,
    Code::Unavailable,
];

/// The counter of a service.
#[derive(Debug, Clone, Default)]
pub struct GrpcErrors(Family<Label, Counter>);

impl GrpcErrors {
    /// Registers `{prefix}_grpc_errors_total` for these methods.
    pub fn new(metrics: &Metrics, prefix: &'static str, methods: &[&str]) -> Self {
        let this = Self::default();
        for (method, code) in methods.iter().flat_map(|it| ANSWERED.map(|code| (it, code))) {
            let label = Label { method: snake(method), code: name(code) };
            this.0.get_or_create(&label).inc_by(0);
        }
        this.0
            .get_or_create(&Label { method: "unknown".to_owned(), code: "unimplemented" })
            .inc_by(0);
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix(prefix);
            registry.register("grpc_errors", "Calls refused, by method and code", this.0.clone());
        });
        this
    }

    /// The same routes, counted.
    #[must_use]
    pub fn count(&self, routes: Routes) -> Routes {
        Routes::from(routes.into_axum_router().layer(self.clone()))
    }

    fn refused(&self, path: &str, code: Code) {
        // A path that no service has would be a label of the asker's choice.
        let method = if code == Code::Unimplemented { "unknown" } else { path };
        let method = method.rsplit('/').next().unwrap_or_default();
        let label = Label { method: snake(method), code: name(code) };
        self.0.get_or_create(&label).inc();
    }
}

/// `GetConversation` as `get_conversation`.
fn snake(method: &str) -> String {
    let mut text = String::with_capacity(method.len() + 4);
    for c in method.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// The code as it is written in the specification, in lower case.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

impl<S> Layer<S> for GrpcErrors {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, errors: self.clone() }
    }
}

/// A server whose refusals are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    errors: GrpcErrors,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (errors, uri) = (self.errors.clone(), request.uri().clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // A refusal is all headers: nothing of the answer has been sent.
            if let Ok(answer) = &answer
                && let Some(status) = Status::from_header_map(answer.headers())
                && status.code() != Code::Ok
            {
                errors.refused(uri.path(), status.code());
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_of_closed_sets_in_lower_case() {
        let metrics = Metrics::new();
        let errors = GrpcErrors::new(&metrics, "tidings_test", &["GetConversation"]);
        errors.refused("/tidings.chat.Chat/GetConversation", Code::PermissionDenied);
        errors.refused("/whatever.Somebody/Asks", Code::Unimplemented);
        let text = metrics.encode();
        for line in [
            r#"tidings_test_grpc_errors_total{method="get_conversation",code="permission_denied"} 1"#,
            r#"tidings_test_grpc_errors_total{method="unknown",code="unimplemented"} 1"#,
            r#"tidings_test_grpc_errors_total{method="get_conversation",code="unavailable"} 0"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
