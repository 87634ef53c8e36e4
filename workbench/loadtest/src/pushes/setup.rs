//! Before the first message: browsers that are registered, and groups of their users.

use bench::crowd::error::BenchError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::id::UserName;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use wire_client::rest::NewGroup;

use super::{Asked, Shared};

/// Registrations under way at once.
const AT_ONCE: usize = 32;
/// The device of each user.
const DEVICE: &str = "browser";

#[derive(Deserialize)]
struct Own {
    #[serde(default)]
    web_push_key: Option<String>,
}

/// Registers a browser of each user but the first, who writes.
pub(super) async fn register(shared: &Shared) -> Result<(), BenchError> {
    let first = shared.run.user(1);
    let own: Own = shared.rest.patient().get(first.as_str(), "push", "/me/push_devices").await?;
    let Some(key) = own.web_push_key else {
        return Err(BenchError::Options("the server has no Web Push".to_owned()));
    };
    let users = 1..=shared.options.groups * shared.options.members;
    let registering = users.map(|number| {
        let subscription = shared.fake.subscribe(&key).subscription;
        register_one(shared, shared.run.user(number), subscription)
    });
    stream::iter(registering).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(())
}

async fn register_one(shared: &Shared, user: UserName, subscription: Value) -> Asked<()> {
    let body = json!({ "provider": "web_push", "subscription": subscription });
    let put = |http: &reqwest::Client, url: &str| http.put(url).json(&body);
    let path = format!("/me/push_devices/{DEVICE}");
    let rest = shared.rest.patient();
    rest.ask(user.as_str(), "register a browser", &path, put).await.map(|_| ())
}

/// Makes the groups, each of other users; their ids.
pub(super) async fn make_groups(shared: &Shared) -> Asked<Vec<Uuid>> {
    let writer = shared.run.user(0);
    let mut groups = Vec::new();
    for number in 0..shared.options.groups {
        let first = number * shared.options.members + 1;
        let users: Vec<UserName> =
            (first..first + shared.options.members).map(|user| shared.run.user(user)).collect();
        let group = NewGroup {
            what: "make a group",
            title: format!("{} group {number}", shared.run.name()),
            creator: &writer,
            members: users.iter().map(UserName::as_str).collect(),
        };
        groups.push(shared.rest.patient().create_group(&group).await?);
    }
    Ok(groups)
}
