//! REST under `/api/v1`. Questions go to the services over gRPC; whatever appends to a log takes the
//! same way over the bus as a frame of a socket does.

mod asker;
mod broadcast;
mod command;
mod connections;
mod conversations;
mod dead_letters;
pub(crate) mod error;
mod explain;
mod findings;
mod held_answer;
mod json_body;
mod known;
mod members;
mod messages;
mod own_status;
mod paging;
mod refusals;
mod sessions;
mod shapes;
mod slow_body;
mod stats;
mod users;
mod words;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use proto::error_code::ErrorCode;
use proto::id::TenantId;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accept::Peer;
use crate::accept::body::late;
use crate::connection::handshake;
use crate::rates::Account;
use crate::shared::{Identity, Shared};
use error::ApiError;
use held_answer::HeldAnswer;
use json_body::{BodyOwner, HeldBody};
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

fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(users::meta))
        .routes(routes!(users::me))
        .routes(routes!(own_status::own))
        .routes(routes!(users::find))
        .routes(routes!(users::presence, users::presence_of_many))
        .routes(routes!(users::dev_token))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::show, conversations::rename))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::remove, members::set_role))
        .routes(routes!(messages::page, messages::send))
        .routes(routes!(messages::send_to))
        .routes(routes!(sessions::own, sessions::end_own))
        .routes(routes!(sessions::end_one))
        .routes(routes!(sessions::of, sessions::end))
        .routes(routes!(connections::list))
        .routes(routes!(stats::stats))
        .routes(routes!(explain::explain))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show, dead_letters::discard))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(broadcast::broadcast))
}

/// The description of the REST interface, generated from the handlers.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut openapi = described().into_openapi();
    refusals::Refusals.modify(&mut openapi);
    openapi
}

/// The routes with their limits.
pub(crate) fn router(shared: Shared) -> Router {
    let (router, _) = described().split_for_parts();
    let openapi = openapi();
    let known = Known::of(&openapi);
    // Written once: whoever reads it slowly holds no memory of its own.
    let described = Bytes::from(serde_json::to_vec(&openapi).unwrap_or_default());
    let described = move || async move { ([(CONTENT_TYPE, "application/json")], described) };
    router
        .route_layer(middleware::from_fn_with_state(known, known::only_known))
        .route("/api/v1/openapi.json", get(described))
        .route("/api/{*path}", axum::routing::any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(shared.clone(), in_time))
        .with_state(shared)
}

/// Answers like every other error when a request takes too long, which a bare layer would not.
async fn in_time(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let limits = &shared.limits;
    let (mut request, body) = slow_body::watch(request);
    // Until the answer is there.
    let held = HeldBody::default();
    request.extensions_mut().insert(held.clone());
    let answer = HeldAnswer::default();
    request.extensions_mut().insert(answer.clone());
    let patience = Duration::from_millis(limits.request_timeout_ms);
    let began = std::time::Instant::now();
    let response = match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => answer.hold(&shared, response).await,
        Err(_elapsed) if body.is_awaited() => late(),
        Err(_elapsed) => ApiError::unavailable(None, limits.retry_after_ms).into_response(),
    };
    shared.metrics.answered_rest(response.status().as_u16(), began.elapsed());
    response
}

async fn unknown() -> impl IntoResponse {
    ApiError::not_found("there is no such path; see /api/v1/openapi.json")
}

async fn method_not_allowed() -> Response {
    ApiError::method_not_allowed().with_status(StatusCode::METHOD_NOT_ALLOWED)
}

impl FromRequestParts<Shared> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        let token = handshake::bearer(&parts.headers).unwrap_or_default();
        let patience = Duration::from_millis(shared.limits.register_timeout_ms);
        if !shared.revocations.loaded(patience).await {
            return Err(ApiError::unavailable(None, shared.limits.retry_after_ms));
        }
        let identity = shared.identify(token);
        let mut identity =
            identity.map_err(|error| ApiError::unauthenticated(&error.to_string()))?;
        if !shared.tenants.lets_in(identity.tenant(), &parts.headers) {
            return Err(ApiError::foreign_page());
        }
        // Of a socket the device is known later, and is noted then.
        if let Some(device_id) = identity.device_id.clone() {
            shared.notes.note(&identity.credential, &identity.user_id, &device_id).await;
        }
        if let Some(peer) = parts.extensions.get::<Peer>() {
            identity.is_exempt = peer.client(shared, &parts.headers).is_exempt;
        }
        parts.extensions.insert(BodyOwner(identity.user_id.clone()));
        if parts.method == Method::GET || parts.method == Method::HEAD {
            shared
                .may_ask(&identity, &[(Account::Reads, 1)])
                .map_err(|refused| ApiError::too_much(&refused))?;
        }
        HeldAnswer::set_aside(shared, &identity.user_id, parts).await?;
        Ok(identity)
    }
}

/// Whether whoever asks may have a development token of the tenant `default`.
struct MayHaveDevToken(bool);

impl FromRequestParts<Shared> for MayHaveDevToken {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        let is_local = peer.is_some_and(|peer| peer.client(shared, &parts.headers).is_local);
        let has_signer = shared.dev_signers.get(TenantId::DEFAULT).is_some();
        Ok(Self(has_signer && (is_local || shared.dev_tokens_for_all)))
    }
}

impl Identity {
    /// Refuses everybody whose token does not have the role `admin`.
    fn is_admin(&self) -> Result<(), ApiError> {
        if self.has_role_admin() {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Forbidden, "this needs a token with the role `admin`"))
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
