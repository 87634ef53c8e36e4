//! `GET /health` on the public port, for load balancers that reach no other: whether this gateway takes
//! clients. What is in the way stands on the management port.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::shared::Shared;

/// 200 while it serves, whatever is away for all gateways alike; else 503.
pub(super) async fn show(State(shared): State<Shared>) -> Response {
    let (status, word) = if !shared.readiness.serving().ready {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    } else if shared.readiness.report().ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    let body = json!({
        "status": word,
        "node_id": shared.gateway_id,
        "connections": shared.metrics.connections.get(),
    });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
