//! Query parameters that an operation does not have are refused by name: a mistyped one that is ignored answers
//! another question than the one that was asked. Which there are says the description of the interface.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::rest::error::ApiError;

/// The names by method and path of each operation.
#[derive(Debug, Clone)]
pub(super) struct Known(Arc<HashMap<(Method, String), Vec<String>>>);

impl Known {
    /// Those of all operations.
    pub(super) fn of(openapi: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &openapi.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    known.insert((method, path.clone()), names(operation));
                }
            }
        }
        Self(Arc::new(known))
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        if request.uri().path().contains("%00") {
            return Err(ApiError::invalid("the path has a NUL character, which no id has"));
        }
        let Some(matched) = request.extensions().get::<MatchedPath>() else { return Ok(()) };
        let operation = (request.method().clone(), matched.as_str().to_owned());
        let Some(known) = self.0.get(&operation) else { return Ok(()) };
        let given = Query::<Vec<(String, String)>>::try_from_uri(request.uri())?.0;
        for (name, value) in given {
            if !known.contains(&name) {
                let name: String = name.chars().take(64).collect();
                let text = match known.as_slice() {
                    [] => format!("there is no parameter `{name}`: this takes none"),
                    known => {
                        format!("there is no parameter `{name}`; there is `{}`", known.join("`, `"))
                    }
                };
                return Err(ApiError::invalid(text));
            }
            if value.contains('\0') {
                return Err(ApiError::invalid(format!("`{name}` has a NUL character")));
            }
        }
        Ok(())
    }
}

/// The parameters that an operation has in its path, its query or its head.
pub(super) fn parameters(
    operation: &Operation,
    place: ParameterIn,
) -> impl Iterator<Item = &Parameter> {
    let parameters =
        operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        });
    parameters.filter(move |parameter| parameter.parameter_in == place)
}

fn names(operation: &Operation) -> Vec<String> {
    parameters(operation, ParameterIn::Query).map(|parameter| parameter.name.clone()).collect()
}

/// A middleware around the described routes.
pub(super) async fn only_known(
    State(known): State<Known>,
    request: Request,
    next: Next,
) -> Response {
    match known.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}
