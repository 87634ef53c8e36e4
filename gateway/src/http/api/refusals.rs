//! What every operation can be refused with, added to the description of the interface: it follows from what an
//! operation takes, and a list at each handler would be forgotten.

use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{Content, HttpMethod, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::known::parameters;

/// The schema of all of them.
const BODY: &str = "#/components/schemas/ErrorBody";

/// Adds them.
pub(super) struct Refusals;

impl utoipa::Modify for Refusals {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let operations = [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Put, &mut item.put),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    add(path, &method, operation);
                }
            }
        }
    }
}

fn add(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let is_named = parameters(operation, ParameterIn::Path).next().is_some();
    let needs_token = operation.security.is_none();
    let appends = *method != HttpMethod::Get && path.starts_with("/api/v1/conversations");
    let has_body = operation.request_body.is_some();
    let may = [
        ("400", true, "Something of the request is not as it has to be; `message` names it"),
        ("401", needs_token, "No valid token"),
        ("403", needs_token, "Not a member, or the role does not allow it"),
        ("404", is_named || path.contains("/admin/"), "What the request names does not exist"),
        ("408", has_body, "The body did not come in time"),
        ("409", appends, "The client id was used before for something else"),
        ("413", has_body, "Larger than it may be"),
        ("415", has_body, "The body is no `application/json`"),
        ("429", true, "Too much; come again after `retry_after_ms`"),
        ("431", true, "The head of the request is larger than 16 KiB"),
        ("500", true, "A fault of the server's own"),
        ("503", true, "A backend is unavailable; come again after `retry_after_ms`"),
    ];
    let known = &mut operation.responses.responses;
    for (status, applies, text) in may {
        if applies {
            known.entry(status.to_owned()).or_insert_with(|| refusal(text).into());
        }
    }
    // The standard wants a description of each.
    for (status, response) in known {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let text = may.iter().find(|(code, ..)| code == status).map(|(.., text)| *text);
            response.description = text.unwrap_or("Done").to_owned();
        }
    }
}

fn refusal(text: &str) -> Response {
    let content = Content::new(Some(Ref::new(BODY)));
    ResponseBuilder::new().description(text).content("application/json", content).build()
}
