//! What the check of one rule uses: users that nobody else is, their tokens, sockets, streams and requests.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::events::Events;
use super::options::Url;
use super::socket::{Opening, Socket};
use super::target::{Target, Tenant};
use crate::checked::{Checked, NotKept, check};

/// The tokens of one check, and where its connections go.
#[derive(Debug)]
pub(crate) struct Scope {
    target: Arc<Target>,
    number: usize,
    tenant: Tenant,
}

/// An answer over REST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Scope {
    pub(crate) fn new(target: Arc<Target>, number: usize) -> Self {
        Self { target, number, tenant: Tenant::First }
    }

    /// The same users in the second tenant; none where there is no such tenant.
    pub(crate) fn second_tenant(&self) -> Option<Self> {
        let has = self.target.has_second_tenant();
        let target = Arc::clone(&self.target);
        has.then_some(Self { target, number: self.number, tenant: Tenant::Second })
    }

    /// Rules that need more of the server's own time are skipped.
    pub(crate) fn patience(&self) -> Duration {
        self.target.patience
    }

    /// The id of a user of this check.
    pub(crate) fn user(&self, name: &str) -> String {
        format!("{}-{}-{name}", self.target.name, self.number)
    }

    pub(crate) fn token(&self, name: &str) -> String {
        self.token_with(name, &json!({}))
    }

    pub(crate) fn token_with(&self, name: &str, claims: &Value) -> String {
        self.target.token(self.tenant, &self.user(name), claims)
    }

    /// A served connection that acknowledges nothing and is not asked to.
    pub(crate) async fn connect(&self, name: &str) -> Checked<Socket> {
        self.connect_with(name, "acks=off").await
    }

    /// The same with a query of its own.
    pub(crate) async fn connect_with(&self, name: &str, query: &str) -> Checked<Socket> {
        let token = self.token(name);
        let path = format!("/ws?{query}");
        let mut socket =
            self.open(&Opening { token: Some(&token), ..Opening::path(&path) }).await?;
        socket.welcome().await?;
        Ok(socket)
    }

    /// A socket that nothing was heard of yet.
    pub(crate) async fn open(&self, opening: &Opening<'_>) -> Checked<Socket> {
        Socket::open(self.target.url(), opening).await
    }

    /// An event stream after its `welcome`.
    pub(crate) async fn stream(&self, name: &str, query: &str) -> Checked<Events> {
        let base = http(self.target.url());
        Events::open(&self.target.http, &base, &self.token(name), query).await
    }

    /// Opens an event stream and gives the answer as it is.
    pub(crate) async fn stream_answer(&self, token: Option<&str>) -> Checked<Answer> {
        let request = self.target.http.get(format!("{}/sse", http(self.target.url())));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        answer(request).await
    }

    /// Asks over REST as a user; the path is that below `/api/v1`.
    pub(crate) async fn ask(
        &self,
        name: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Checked<Answer> {
        self.ask_with(Some(&self.token(name)), method, path, body, &[]).await
    }

    /// The same with another token, or none, and headers.
    pub(crate) async fn ask_with(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Checked<Answer> {
        let url = format!("{}/api/v1{path}", http(self.target.url()));
        let mut request = self.target.http.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// A body that has to come with this status.
    pub(crate) async fn get(&self, name: &str, path: &str) -> Checked<Value> {
        let answer = self.ask(name, Method::GET, path, None).await?;
        check!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// A new group of an owner; its id.
    pub(crate) async fn group(&self, owner: &str, members: &[&str]) -> Checked<String> {
        let members: Vec<String> = members.iter().map(|name| self.user(name)).collect();
        let body = json!({ "kind": "group", "title": "conformance", "members": members,
            "client_id": uuid::Uuid::now_v7() });
        let answer = self.ask(owner, Method::POST, "/conversations", Some(&body)).await?;
        check!(answer.status == 201, "POST /conversations: {} {}", answer.status, answer.body);
        text(&answer.body, "id")
    }
}

fn http(url: &Url) -> String {
    format!("{}://{}", if url.is_tls { "https" } else { "http" }, url.authority)
}

async fn answer(request: reqwest::RequestBuilder) -> Checked<Answer> {
    let failed = |error: reqwest::Error| NotKept::Broken(format!("no answer over HTTP: {error}"));
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.map_err(failed)?;
    Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
}

/// A text field.
pub(crate) fn text(value: &Value, field: &str) -> Checked<String> {
    match value[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => crate::checked::broken(format!("`{field}` is missing in {value}")),
    }
}

/// A field that is a whole number.
pub(crate) fn number(value: &Value, field: &str) -> Checked<u64> {
    match value[field].as_u64() {
        Some(number) => Ok(number),
        None => crate::checked::broken(format!("`{field}` is no number in {value}")),
    }
}
