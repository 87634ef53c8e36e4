//! `GET /health` on the public port, for load balancers that reach no other: whether this gateway takes
//! clients. What is in the way stands on the management port.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::HttpState;

/// 200 while it serves, whatever is away for all gateways alike; else 503.
pub(super) async fn show(State(state): State<HttpState>) -> Response {
    let (status, word) = if !state.readiness.serving().ready {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    } else if state.readiness.report().ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    let body = json!({
        "status": word,
        "node_id": state.gateway_id,
        "connections": state.metrics.connections.get(),
    });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
