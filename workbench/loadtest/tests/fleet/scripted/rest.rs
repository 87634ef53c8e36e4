//! Groups and history.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Fault, State, bearer};

pub async fn create(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let creator = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let members = body["members"].as_array().ok_or(StatusCode::BAD_REQUEST)?;
    let members = members.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let id = state.logs().create_group(&creator, members);
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "kind": "group", "head": 1 }))))
}

pub async fn messages(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, u64>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let reader = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let logs = state.logs();
    let log = logs.by_id.get(&id).filter(|log| log.members.contains(&reader));
    let log = log.ok_or(StatusCode::FORBIDDEN)?;
    let after = query.get("after_seq").copied().unwrap_or(0);
    // Small pages, so that there are several.
    let page: Vec<&Value> = log
        .entries
        .range(after + 1..)
        .map(|(_, entry)| entry)
        .filter(|entry| state.fault != Fault::Forget || seq(entry) % 10 != 9)
        .take(7)
        .collect();
    let last = page.last().map_or(after, |entry| seq(entry));
    let more = log.entries.range(last + 1..).next().is_some() && !page.is_empty();
    Ok(Json(json!({ "entries": page, "head": log.last_seq, "more": more })))
}

fn seq(entry: &Value) -> u64 {
    entry["seq"].as_u64().expect("a place")
}

/// Everybody is online: the tests ask while all are connected.
pub async fn presence(Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let ids = query.get("ids").map(String::as_str).unwrap_or_default();
    let statuses: Vec<Value> = ids
        .split(',')
        .map(|id| json!({ "user_id": id, "status": "online", "devices": 1 }))
        .collect();
    Json(json!({ "statuses": statuses }))
}
