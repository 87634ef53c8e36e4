//! Errors of REST: a code from the closed list, a text, and whether anything was stored.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::error_code::{ErrorCode, Stored};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rates::TooMuch;

/// What a failed request is answered with.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// From the closed list: `bad_frame`, `invalid`, `unauthenticated`, `not_member`, …
    code: String,
    /// For people: says what to do.
    message: String,
    /// `no` or `unknown`, for requests that append.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
    /// Wait so long before asking again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// With `rate_limited`, which limit was met: `messages`, `reads`, `signals`, `broadcasts`, `waiting`
    /// (for earlier requests, not for time to pass), `address_requests`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    /// With `conflict`, for a request with a `base`: the entry that came after it; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
}

/// A failed request.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    stored: Option<Stored>,
    retry_after_ms: Option<u64>,
    limit: Option<&'static str>,
    current: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            stored: None,
            retry_after_ms: None,
            limit: None,
            current: None,
        }
    }

    /// Whether it says this.
    pub(crate) fn is(&self, code: ErrorCode) -> bool {
        self.code == code
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message)
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// The page is one of another tenant's.
    pub(crate) fn foreign_page() -> Self {
        let text = "pages of this origin may not ask for users of this application; the operator lists origins in \
                    `origins` of its tenant";
        Self::new(ErrorCode::Forbidden, text)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            ErrorCode::BadFrame,
            "this path does not know this method; see /api/v1/openapi.json",
        )
    }

    /// The asker is no member of what was asked for.
    pub(crate) fn is_not_member(&self) -> bool {
        self.code == ErrorCode::NotMember
    }

    /// A backend is unavailable.
    pub(crate) fn unavailable(stored: Option<Stored>, retry_after_ms: u64) -> Self {
        Self {
            stored,
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(
                ErrorCode::Unavailable,
                "a backend is unavailable; ask again, with the same client id",
            )
        }
    }

    /// Beyond a rate.
    pub(crate) fn too_much(refused: &TooMuch) -> Self {
        Self::new(ErrorCode::RateLimited, refused.text())
            .at_limit(refused.limit.as_str())
            .after(refused.wait)
    }

    /// Names the limit that was met.
    pub(crate) fn at_limit(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Nothing was stored.
    pub(crate) fn not_stored(self) -> Self {
        Self { stored: Some(Stored::No), ..self }
    }

    /// Says when to come again.
    pub(crate) fn after(self, wait: std::time::Duration) -> Self {
        Self { retry_after_ms: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)), ..self }
    }

    pub(crate) fn with_outcome(self, stored: Stored, retry_after_ms: Option<u64>) -> Self {
        Self { stored: Some(stored), retry_after_ms, ..self }
    }

    /// Says what is there instead of what an edit begins with.
    pub(crate) fn with_current(self, current: Option<u64>) -> Self {
        Self { current, ..self }
    }

    pub(crate) fn body(self) -> Json<ErrorBody> {
        let stored = self.stored.map(|stored| match stored {
            Stored::No => "no".to_owned(),
            Stored::Unknown => "unknown".to_owned(),
        });
        Json(ErrorBody {
            code: self.code.as_str().to_owned(),
            message: self.message,
            stored,
            retry_after_ms: self.retry_after_ms,
            limit: self.limit.map(str::to_owned),
            current: self.current,
        })
    }
}

impl ApiError {
    /// The answer with another status than that of its code.
    pub(crate) fn with_status(self, status: StatusCode) -> Response {
        let code = self.code;
        let retry_after = self.retry_after_ms.map(|ms| HeaderValue::from(ms.div_ceil(1_000)));
        let mut response = (status, self.body()).into_response();
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after);
        }
        // By this it is counted, and known as an answer that is complete.
        response.extensions_mut().insert(code);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.with_status(status)
    }
}

/// The one place where gRPC statuses become codes.
impl From<tonic::Status> for ApiError {
    fn from(status: tonic::Status) -> Self {
        let code = match status.code() {
            tonic::Code::InvalidArgument => ErrorCode::Invalid,
            tonic::Code::PermissionDenied => ErrorCode::NotMember,
            tonic::Code::NotFound => ErrorCode::NotFound,
            tonic::Code::AlreadyExists => ErrorCode::Conflict,
            tonic::Code::ResourceExhausted => ErrorCode::RateLimited,
            // A question or an answer that is larger than one message between the services.
            tonic::Code::OutOfRange => {
                let text = "this is more than the server handles at once; ask for less";
                return Self::new(ErrorCode::TooLarge, text);
            }
            tonic::Code::Internal | tonic::Code::Unimplemented | tonic::Code::DataLoss => {
                tracing::error!(%status, "a service failed");
                return Self::new(ErrorCode::Internal, "a fault of the server; it is logged");
            }
            _ => return Self::unavailable(None, 1_000),
        };
        Self::new(code, status.message())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let code = match &rejection {
            rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
            // It is JSON, and a field of it is not what it has to be.
            JsonRejection::JsonDataError(_) => ErrorCode::Invalid,
            _ => ErrorCode::BadFrame,
        };
        Self::new(code, rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(ErrorCode::BadFrame, rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

/// Query parameters whose refusal is an [`ApiError`].
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// Path parameters whose refusal is an [`ApiError`].
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_between_the_services_is_the_asker_s_mistake_and_no_outage() {
        let refused = ApiError::from(tonic::Status::out_of_range("length too large"));
        assert_eq!(refused.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
        let away = ApiError::from(tonic::Status::unavailable("away"));
        assert_eq!(away.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
