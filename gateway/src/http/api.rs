//! REST under `/api/v1`. Questions go to the services over gRPC; whatever appends to a log takes the
//! same way over the bus as a frame of a socket does (`operations`). Must not read a body or check a token by itself: `rest`
//! does.

mod admin_notices;
mod broadcast;
mod changed;
mod connections;
mod conversations;
mod dead_letters;
mod delivery;
mod drafts;
mod events;
mod explain;
mod followers;
mod following;
mod known;
mod members;
mod messages;
mod notices;
mod own_settings;
mod own_status;
mod pins;
mod push_devices;
mod reactions;
mod reads;
mod refusals;
mod sessions;
mod slow_body;
mod stats;
mod users;
mod webhooks;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use proto::id::TenantId;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::HttpState;
use crate::operations;
use crate::rest::Peer;
use crate::rest::body::late;
use crate::rest::error::ApiError;
use crate::rest::held_answer::HeldAnswer;
use crate::rest::json_body::HeldBody;
use known::Known;

#[derive(OpenApi)]
#[openapi(
    info(title = "Tidings", description = "Chat and presence over REST. Live delivery is on `/ws`."),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

fn described() -> OpenApiRouter<HttpState> {
    operations::routes(OpenApiRouter::with_openapi(Description::openapi()))
        .routes(routes!(users::meta))
        .routes(routes!(users::me))
        .routes(routes!(own_status::own))
        .routes(routes!(own_settings::of_conversation))
        .routes(routes!(own_settings::of_all))
        .routes(routes!(drafts::list))
        .routes(routes!(drafts::history))
        .routes(routes!(users::find))
        .routes(routes!(users::presence, users::presence_of_many))
        .routes(routes!(users::dev_token))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::show))
        .routes(routes!(members::list))
        .routes(routes!(pins::list))
        .routes(routes!(messages::page))
        .routes(routes!(changed::one))
        .routes(routes!(changed::changes))
        .routes(routes!(changed::history))
        .routes(routes!(reactions::list))
        .routes(routes!(reads::list))
        .routes(routes!(delivery::read))
        .routes(routes!(following::mentions))
        .routes(routes!(following::threads))
        .routes(routes!(sessions::own, sessions::end_own))
        .routes(routes!(sessions::end_one))
        .routes(routes!(sessions::of, sessions::end))
        .routes(routes!(connections::list))
        .routes(routes!(stats::stats))
        .routes(routes!(events::read))
        .routes(routes!(explain::explain))
        .routes(routes!(followers::list))
        .routes(routes!(followers::aside::list))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show, dead_letters::discard))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(push_devices::list))
        .routes(routes!(push_devices::keep, push_devices::drop))
        .routes(routes!(push_devices::dead))
        .routes(routes!(broadcast::broadcast))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::remove))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::dead))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::skip))
        .routes(routes!(notices::inbox))
        .routes(routes!(notices::mark))
        .routes(routes!(admin_notices::list, admin_notices::send))
        .routes(routes!(admin_notices::show, admin_notices::withdraw))
        .routes(routes!(admin_notices::receipts))
        .routes(routes!(admin_notices::resend_push))
}

/// The description of the REST interface, generated from the handlers.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut openapi = described().into_openapi();
    refusals::Refusals.modify(&mut openapi);
    openapi
}

/// The routes with their limits.
pub(crate) fn router(state: HttpState) -> Router {
    let (router, _) = described().split_for_parts();
    let openapi = openapi();
    let known = Known::of(&openapi);
    // Serialized once: a client that reads it slowly holds no memory of its own.
    let described = Bytes::from(serde_json::to_vec(&openapi).unwrap_or_default());
    let described = move || async move { ([(CONTENT_TYPE, "application/json")], described) };
    router
        .route_layer(middleware::from_fn_with_state(known, known::only_known))
        .route("/api/v1/openapi.json", get(described))
        .route("/api/{*path}", axum::routing::any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), in_time))
        .with_state(state)
}

/// Answers like every other error when a request takes too long, which a bare layer would not.
async fn in_time(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let limits = &state.limits;
    let (mut request, body) = slow_body::watch(request);
    // Until the answer is there.
    let held = HeldBody::default();
    request.extensions_mut().insert(held.clone());
    let answer = HeldAnswer::default();
    request.extensions_mut().insert(answer.clone());
    let patience = Duration::from_millis(limits.request_timeout_ms);
    let began = std::time::Instant::now();
    let response = match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => answer.hold(&state.rest, response).await,
        Err(_elapsed) if body.is_awaited() => late(),
        Err(_elapsed) => ApiError::unavailable(None, limits.retry_after_ms).into_response(),
    };
    state.metrics.answered_rest(response.status().as_u16(), began.elapsed());
    response
}

async fn unknown() -> impl IntoResponse {
    ApiError::not_found("there is no such path; see /api/v1/openapi.json")
}

async fn method_not_allowed() -> Response {
    ApiError::method_not_allowed().with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Whether the caller may have a development token of the tenant `default`.
struct MayHaveDevToken(bool);

impl FromRequestParts<HttpState> for MayHaveDevToken {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        let is_local =
            peer.is_some_and(|peer| peer.client(&state.admission, &parts.headers).is_local);
        let has_signer = state.dev_signers.get(TenantId::DEFAULT).is_some();
        Ok(Self(has_signer && (is_local || state.dev_tokens_for_all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_the_served_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let served = openapi().to_pretty_json().unwrap() + "\n";
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        if committed != served {
            let fresh = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/openapi.json");
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")).unwrap();
            std::fs::write(fresh, &served).unwrap();
            panic!("docs/openapi.json is out of date: copy target/openapi.json over it");
        }
    }

    #[test]
    fn no_request_body_may_have_unknown_fields() {
        let description = serde_json::to_value(openapi()).unwrap();
        let operations = description["paths"].as_object().unwrap().values();
        let operations = operations.flat_map(|path| path.as_object().unwrap().values());
        let mut bodies = 0;
        for body in operations.filter_map(|operation| operation.get("requestBody")) {
            let schema = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
            let schema = &description.pointer(schema.trim_start_matches('#')).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            bodies += 1;
        }
        assert!(bodies > 5, "{bodies} operations have a body");
    }
}
