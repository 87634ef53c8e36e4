//! What operators may do beyond others, over every door: list who is connected, and speak where they are no member.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::all_in_one::{serve, token as own_token, token_of_operator};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::token::{token, token_with};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Two gateways, or the same one twice, and tokens.
struct Place<'a> {
    gateways: [&'a str; 2],
    ann: String,
    bob: String,
    eve: String,
    operator: String,
}

async fn ask(
    address: &str,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let url = format!("http://{address}/api/v1/{path}");
    let mut asked = reqwest::Client::new().request(method, url).bearer_auth(token);
    if let Some(body) = body {
        asked = asked.json(body);
    }
    let answer = asked.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

impl Place<'_> {
    async fn check(&self) {
        let [here, there] = self.gateways;
        let mut ann = Client::connect(here, &self.ann).await;
        let mut bob = Client::connect(there, &self.bob).await;
        let _phone = Client::connect(there, &self.ann).await;
        self.lists_everybody().await;
        self.sums_up().await;
        self.speaks(&mut ann, &mut bob).await;
    }

    async fn lists_everybody(&self) {
        for limit in [1, 2, 50] {
            let (mut seen, mut after, mut count) = (BTreeSet::new(), String::new(), 0);
            loop {
                let path = format!("admin/connections?limit={limit}&after={after}");
                let (status, page) =
                    ask(self.gateways[0], Method::GET, &path, &self.operator, None).await;
                assert_eq!(status, 200, "{page}");
                for connection in page["connections"].as_array().unwrap() {
                    let field = |name: &str| connection[name].as_str().unwrap().to_owned();
                    assert!(field("ip").starts_with("127."), "{connection}");
                    seen.insert((field("user_id"), field("connection_id")));
                    count += 1;
                }
                page["next"].as_str().unwrap().clone_into(&mut after);
                if after.is_empty() {
                    break;
                }
            }
            assert_eq!((seen.len(), count), (3, 3), "{seen:?}");
            let users: Vec<_> = seen.iter().map(|(user, _)| user.as_str()).collect();
            assert_eq!(users, ["ann", "ann", "bob"]);
        }
        let path = "admin/connections";
        assert_eq!(ask(self.gateways[1], Method::GET, path, &self.eve, None).await.0, 403);
    }

    /// One answer for the whole install, whichever gateway is asked.
    async fn sums_up(&self) {
        let mut ids = self.gateways.to_vec();
        ids.dedup();
        for gateway in self.gateways {
            let path = "admin/stats";
            assert_eq!(ask(gateway, Method::GET, path, &self.eve, None).await.0, 403);
            // The chat services learn of each other within seconds.
            let stats = eventually("chat services", Duration::from_secs(20), async || {
                let (status, stats) = ask(gateway, Method::GET, path, &self.operator, None).await;
                let chats = stats["chat_services"].as_array().map_or(0, Vec::len);
                if status == 200 && chats > 0 { Ok(stats) } else { Err((status, stats)) }
            })
            .await;
            // Ann has two connections.
            let counts = (&stats["connections"], &stats["users_online"]);
            assert_eq!(counts, (&json!(3), &json!(2)), "{stats}");
            let parts =
                json!({ "bus": true, "chat_service": true, "database": true, "presence": true });
            assert_eq!(stats["parts"], parts, "{stats}");
            let gateways = stats["gateways"].as_array().unwrap();
            assert_eq!(gateways.len(), ids.len(), "{stats}");
            for gateway in gateways {
                assert_eq!(gateway["is_answered"], true, "{stats}");
                assert!(gateway["heartbeat_ms_ago"].as_u64().unwrap() < 60_000, "{stats}");
                assert!(gateway["connections_limit"].as_u64().unwrap() > 0, "{stats}");
            }
            let chats = stats["chat_services"].as_array().unwrap();
            let mut partitions: Vec<_> = chats
                .iter()
                .flat_map(|it| it["partitions"].as_array().unwrap())
                .map(|it| it.as_u64().unwrap())
                .collect();
            partitions.sort_unstable();
            let numbers: Vec<u64> = (0..partitions.len() as u64).collect();
            assert_eq!(partitions, numbers, "{stats}");
            assert!(!partitions.is_empty(), "{stats}");
            let queues = stats["queues"].as_array().unwrap();
            let named: Vec<_> = queues.iter().map(|it| it["partition"].as_u64().unwrap()).collect();
            assert_eq!(named, numbers, "{stats}");
            assert!(queues.iter().all(|it| it["waiting_batches"].is_u64()), "{stats}");
            assert!(stats["requests"]["per_second"].is_number(), "{stats}");
        }
    }

    async fn speaks(&self, ann: &mut Client, bob: &mut Client) {
        let [here, there] = self.gateways;
        ann.send_to("bob", "hello").await;
        let id = ann.expect("sent").await["conversation_id"].as_str().unwrap().to_owned();
        let path = format!("conversations/{id}/messages");
        let said = json!({ "kind": "notice", "content": { "body": "maintenance at noon" } });
        for (token, body, code) in [
            (&self.eve, &said, "forbidden"),
            (&self.eve, &json!({ "content": { "text": "hi" } }), "not_member"),
            (&self.operator, &json!({ "content": { "text": "hi" } }), "not_member"),
            (
                &self.operator,
                &json!({ "kind": "system", "content": { "event": "member_left", "member": "bob" } }),
                "forbidden",
            ),
            (&self.operator, &json!({ "kind": "notice", "content": { "text": "hi" } }), "invalid"),
        ] {
            let (_, answer) = ask(here, Method::POST, &path, token, Some(body)).await;
            assert_eq!(
                (&answer["code"], &answer["stored"]),
                (&json!(code), &json!("no")),
                "{body}"
            );
        }
        // Who is a member may not, either, and over a socket as over REST.
        let own = ask(here, Method::POST, &path, &self.ann, Some(&said)).await;
        assert_eq!((own.0, &own.1["code"]), (403, &json!("forbidden")));
        let to = json!({ "to": "bob", "kind": "notice", "content": { "body": "maintenance" } });
        let own = ask(here, Method::POST, "messages", &self.ann, Some(&to)).await;
        assert_eq!((own.0, &own.1["code"]), (403, &json!("forbidden")));
        ann.say(
            &json!({ "type": "send", "ref": "s", "client_id": Uuid::now_v7(), "kind": "notice",
            "conversation_id": id, "content": { "body": "maintenance" } }),
        )
        .await;
        let own = ann.expect("error").await;
        assert_eq!((&own["ref"], &own["code"]), (&json!("s"), &json!("forbidden")));
        let (status, stored) = ask(here, Method::POST, &path, &self.operator, Some(&said)).await;
        assert_eq!((status, &stored["seq"]), (201, &json!(2)), "{stored}");
        // Over a socket, too.
        let mut operator = Client::connect(there, &self.operator).await;
        operator
            .say(
                &json!({ "type": "send", "ref": "1", "client_id": Uuid::now_v7(), "kind": "notice",
                "conversation_id": id, "content": { "body": "it is noon" } }),
            )
            .await;
        assert_eq!(operator.expect("sent").await["seq"], 3);
        for seq in [2, 3] {
            let entry = bob.expect_where("entry", |entry| entry["seq"] == seq).await;
            assert_eq!(
                (&entry["kind"], &entry["sender"]["type"]),
                (&json!("notice"), &json!("operator"))
            );
        }
        let (_, page) = ask(there, Method::GET, &path, &self.ann, None).await;
        let types: Vec<_> =
            page["entries"].as_array().unwrap().iter().map(|it| &it["sender"]["type"]).collect();
        assert_eq!(types, ["user", "operator", "operator"], "{page}");
        // They read nothing by it, and are no member.
        assert_eq!(ask(here, Method::GET, &path, &self.operator, None).await.0, 403);
        let members = format!("conversations/{id}/members");
        let (_, members) = ask(here, Method::GET, &members, &self.ann, None).await;
        assert_eq!(members["members"].as_array().unwrap().len(), 2, "{members}");
    }
}

#[tokio::test]
async fn operators_see_who_is_connected_and_speak_anywhere_in_a_cluster() {
    let cluster = Cluster::start("operators").await;
    let operator = token_with("operator", 3600, &json!({ "roles": ["admin"] }));
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let (ann, bob, eve) = (token("ann"), token("bob"), token("eve"));
    Place { gateways, ann, bob, eve, operator }.check().await;
    cluster.stop().await;
}

#[tokio::test]
async fn operators_see_who_is_connected_and_speak_anywhere_in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve("operators", folder.path()).await;
    let address = server.address("http").to_owned();
    Place {
        gateways: [&address, &address],
        ann: own_token(folder.path(), "ann").await,
        bob: own_token(folder.path(), "bob").await,
        eve: own_token(folder.path(), "eve").await,
        operator: token_of_operator(folder.path()).await,
    }
    .check()
    .await;
    assert!(server.terminate(std::time::Duration::from_secs(30)).await.success());
}
