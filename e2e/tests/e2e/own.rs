//! What a user sets for all of their devices: over every way in, on the cluster and the all-in-one, told to nobody else.

use e2e::all_in_one::{serve_with, token as own_token};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::events::{self, Events};
use e2e::tenants::{Install, Side, TENANTS};
use e2e::token::token;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Two gateways, or the same one twice, and tokens.
struct Place<'a> {
    gateways: [&'a str; 2],
    ann: String,
    bob: String,
}

fn set(reference: &str, what: &str, id: &str, value: &Value) -> Value {
    json!({ "type": "set", "ref": reference, "client_id": Uuid::now_v7(), "what": what, "conversation_id": id,
        "value": value })
}

impl Place<'_> {
    async fn ask(&self, method: Method, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}/api/v1/{path}", self.gateways[0]);
        let mut asked = reqwest::Client::new().request(method, url).bearer_auth(token);
        if !body.is_null() {
            asked = asked.json(body);
        }
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn device(&self, gateway: usize, token: &str, device: &str) -> Client {
        let path = format!("/ws?token={token}&device={device}");
        let mut client = Client::open(self.gateways[gateway], &path).await;
        client.expect("welcome").await;
        client
    }

    /// Sets over the socket, the event stream and REST; the other devices of the user hear of each.
    async fn settings(&self) {
        let mut phone = self.device(0, &self.ann, "phone").await;
        let mut laptop = self.device(1, &self.ann, "laptop").await;
        let mut bob = self.device(1, &self.bob, "web").await;
        bob.say(&json!({ "type": "send", "ref": "1", "client_id": Uuid::now_v7(), "to": "ann",
            "content": { "text": "hi" } }))
            .await;
        let id = bob.answer_to("1").await["conversation_id"].as_str().unwrap().to_owned();

        let mute = set("m", "mute", &id, &json!({ "until": null }));
        phone.say(&mute).await;
        let answer = phone.answer_to("m").await;
        assert_eq!((&answer["type"], &answer["seq"]), (&json!("sent"), &json!(1)), "{answer}");
        let own_log = answer["conversation_id"].as_str().unwrap().to_owned();
        let heard = laptop.expect_where("entry", |entry| entry["kind"] == "set").await;
        let value = json!({ "until": null, "mentions": true });
        let content = json!({ "what": "mute", "conversation_id": id, "value": value });
        assert_eq!((&heard["content"], &heard["conversation_id"]), (&content, &json!(own_log)));
        phone.say(&mute).await;
        assert_eq!(phone.answer_to("m").await["seq"], 1, "a repeat has the first answer");

        laptop.say(&set("p", "archive", &id, &json!(true))).await;
        assert_eq!(laptop.answer_to("p").await["seq"], 2);
        let (mut stream, stream_id) = Events::open(self.gateways[1], &self.ann).await;
        let again = json!([set("s", "archive", &id, &json!(true))]);
        let status = events::post(self.gateways[1], &stream_id, &self.ann, &again).await;
        assert!(status.is_success(), "{status}");
        let answer = stream.expect("sent").await;
        assert_eq!((&answer["unchanged"], &answer["seq"]), (&json!(true), &json!(2)), "{answer}");

        let path = format!("me/conversations/{id}");
        let said = json!({ "pinned": true, "marked_unread": true, "archived": false, "client_id": Uuid::now_v7() });
        for _ in 0..2 {
            let (status, shown) = self.ask(Method::PUT, &path, &self.ann, &said).await;
            let effective = json!({ "push": "mentions", "rule": "muted", "content": "none" });
            let expected = json!({ "mute": value, "archived": false, "pinned": true,
                "marked_unread": true, "effective": effective });
            assert_eq!((status, &shown), (200, &expected));
        }
        let (_, shown) = self.ask(Method::GET, &path, &self.ann, &Value::Null).await;
        assert_eq!((&shown["pinned"], &shown["mute"]), (&json!(true), &value), "{shown}");
        let (status, shown) =
            self.ask(Method::PUT, &path, &self.ann, &json!({ "mute": null })).await;
        assert_eq!((status, &shown["mute"]), (200, &Value::Null));
        let push = json!({ "push": { "content": "sender" } });
        let (status, shown) = self.ask(Method::PUT, "me/settings", &self.ann, &push).await;
        assert_eq!((status, &shown["push"]["content"]), (200, &json!("sender")), "{shown}");
        let (_, shown) = self.ask(Method::GET, "me/settings", &self.bob, &Value::Null).await;
        assert_eq!(shown, json!({ "push": null, "privacy": null }));

        self.privacy(&id).await;
        self.lists(&id).await;
        self.refusals(&id, &own_log, &mut bob).await;
        self.drafts(&id, &mut phone, &mut laptop).await;
        self.new_device(&id, &own_log).await;
    }

    /// What Ann hides, Bob is not told, live nor when he asks.
    async fn privacy(&self, id: &str) {
        let mut bob = self.device(1, &self.bob, "watching").await;
        let of_ann = async || {
            let (status, page) =
                self.ask(Method::GET, "presence?ids=ann", &self.bob, &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            page["statuses"][0]["status"].clone()
        };
        let found = async || {
            let (_, page) =
                self.ask(Method::GET, "users?prefix=ann", &self.bob, &Value::Null).await;
            page["users"].as_array().unwrap().len()
        };
        assert_eq!((of_ann().await, found().await), (json!("online"), 1));
        let hide = json!({ "online": "nobody", "receipts": "nobody", "find": "nobody" });
        let (status, set) =
            self.ask(Method::PUT, "me/settings", &self.ann, &json!({ "privacy": hide })).await;
        assert_eq!((status, &set["privacy"]), (200, &hide));
        let told = bob.expect_where("presence", |told| told["user_id"] == "ann").await;
        assert_eq!(told["status"], "offline");
        assert_eq!((of_ann().await, found().await), (json!("offline"), 0));
        let path = format!("conversations/{id}/members");
        let (_, page) = self.ask(Method::GET, &path, &self.bob, &Value::Null).await;
        let members = page["members"].as_array().unwrap();
        let ann = members.iter().find(|member| member["user_id"] == "ann").unwrap();
        assert_eq!((&ann["delivered_seq"], &ann["read_seq"]), (&json!(0), &json!(0)), "{page}");
        let open = json!({ "privacy": null });
        assert_eq!(self.ask(Method::PUT, "me/settings", &self.ann, &open).await.0, 200);
        assert_eq!((of_ann().await, found().await), (json!("online"), 1));
    }

    async fn lists(&self, id: &str) {
        let list = async |query: &str| {
            let path = format!("conversations{query}");
            let (status, page) = self.ask(Method::GET, &path, &self.ann, &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            page["conversations"].as_array().unwrap().clone()
        };
        let all = list("").await;
        assert_eq!(all.len(), 1, "the self log is in no list: {all:?}");
        assert_eq!(all[0]["own"]["pinned"], true, "{all:?}");
        assert_eq!(
            (list("?archived=true").await.len(), list("?archived=false").await.len()),
            (0, 1)
        );
        let path = format!("me/conversations/{id}");
        let hide = json!({ "hidden_before": 2, "archived": true });
        let (status, shown) = self.ask(Method::PUT, &path, &self.ann, &hide).await;
        assert_eq!((status, &shown["hidden_before"]), (200, &json!(2)), "{shown}");
        assert_eq!(list("?archived=true").await.len(), 0);
        let message = json!({ "content": { "text": "back" } });
        let path = format!("conversations/{id}/messages");
        assert_eq!(self.ask(Method::POST, &path, &self.bob, &message).await.0, 201);
        assert_eq!(list("?archived=true").await.len(), 1);
        assert_eq!(list("?archived=false").await.len(), 0);
    }

    /// To others a self log is a conversation that does not exist, and nothing is set where one is no member.
    async fn refusals(&self, id: &str, own_log: &str, bob: &mut Client) {
        for (reference, frame) in [
            (
                "a",
                json!({ "type": "send", "ref": "a", "client_id": Uuid::now_v7(), "conversation_id": own_log,
                "content": { "text": "x" } }),
            ),
            (
                "b",
                json!({ "type": "send", "ref": "b", "client_id": Uuid::now_v7(),
                "conversation_id": Uuid::now_v7(), "content": { "text": "x" } }),
            ),
        ] {
            bob.say(&frame).await;
            let answer = bob.answer_to(reference).await;
            assert_eq!((&answer["code"], &answer["stored"]), (&json!("not_member"), &json!("no")));
        }
        let nowhere = Uuid::now_v7().to_string();
        let path = |id: &str| format!("conversations/{id}/messages");
        let there = self.ask(Method::GET, &path(own_log), &self.bob, &Value::Null).await;
        assert_eq!(there, self.ask(Method::GET, &path(&nowhere), &self.bob, &Value::Null).await);
        for (path, body, status, code) in [
            (format!("me/conversations/{nowhere}"), json!({ "pinned": true }), 404, "not_found"),
            (format!("me/conversations/{own_log}"), json!({ "pinned": true }), 404, "not_found"),
            (format!("me/conversations/{id}"), json!({ "hidden_before": 0 }), 400, "invalid"),
            ("me/settings".to_owned(), json!({ "status": "away" }), 400, "invalid"),
        ] {
            let (said, answer) = self.ask(Method::PUT, &path, &self.ann, &body).await;
            assert_eq!((said, &answer["code"]), (status, &json!(code)), "{path} {body}: {answer}");
        }
        bob.say(&set("c", "contact", id, &json!({ "state": "accepted" }))).await;
        assert_eq!(bob.answer_to("c").await["code"], "invalid");
    }

    /// Drafts over the socket, the event stream and REST: what another device wrote is not overwritten.
    async fn drafts(&self, id: &str, phone: &mut Client, laptop: &mut Client) {
        let draft = |reference: &str, content: Value, base: &Value| {
            json!({ "type": "draft", "ref": reference, "client_id": Uuid::now_v7(), "conversation_id": id,
                "content": content, "base": base })
        };
        phone.say(&draft("d1", json!({ "text": "half" }), &Value::Null)).await;
        let first = phone.answer_to("d1").await["seq"].clone();
        let heard = laptop.expect_where("entry", |entry| entry["kind"] == "draft").await;
        let content = json!({ "conversation_id": id, "content": { "text": "half" } });
        assert_eq!((&heard["content"], &heard["seq"]), (&content, &first));
        laptop.say(&draft("d2", json!({ "text": "half a thought" }), &first)).await;
        let second = laptop.answer_to("d2").await["seq"].clone();
        phone.say(&draft("d3", json!({ "text": "half a page" }), &first)).await;
        let refused = phone.answer_to("d3").await;
        assert_eq!(
            (&refused["code"], &refused["current"]),
            (&json!("conflict"), &second),
            "{refused}"
        );

        let path = format!("me/drafts/{id}");
        let said = json!({ "content": { "text": "from REST" }, "base": first });
        let (status, refused) = self.ask(Method::PUT, &path, &self.ann, &said).await;
        assert_eq!((status, &refused["current"]), (409, &second), "{refused}");
        let said = json!({ "content": { "text": "from REST" }, "base": second });
        let (status, stored) = self.ask(Method::PUT, &path, &self.ann, &said).await;
        assert_eq!(status, 200, "{stored}");
        let said = json!({ "content": null });
        assert_eq!(self.ask(Method::PUT, &path, &self.ann, &said).await.0, 400);
        let (_, all) = self.ask(Method::GET, "me/drafts", &self.ann, &Value::Null).await;
        assert_eq!(all["drafts"][0]["content"]["text"], "from REST", "{all}");
        let (_, all) =
            self.ask(Method::GET, &format!("{path}/history"), &self.ann, &Value::Null).await;
        let words: Vec<_> = all["drafts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["content"]["text"].clone())
            .collect();
        assert_eq!(words, ["from REST", "half a thought", "half"]);

        let (mut stream, stream_id) = Events::open(self.gateways[1], &self.ann).await;
        let back = json!([draft("s", Value::Null, &stored["seq"])]);
        let status = events::post(self.gateways[1], &stream_id, &self.ann, &back).await;
        assert!(status.is_success(), "{status}");
        stream.expect("sent").await;
        let (_, all) = self.ask(Method::GET, "me/drafts", &self.ann, &Value::Null).await;
        assert_eq!(all, json!({ "drafts": [] }));
        let (status, stored) = self.ask(Method::DELETE, &path, &self.ann, &Value::Null).await;
        assert_eq!((status, &stored["unchanged"]), (200, &json!(true)), "{stored}");
    }

    /// A device without a cursor is told what is set, and goes on from the last entry.
    async fn new_device(&self, id: &str, own_log: &str) {
        let mut device = self.device(0, &self.ann, "new").await;
        device.say(&json!({ "type": "sync", "cursors": {} })).await;
        let is_own = |page: &Value| page["conversation_id"] == own_log;
        let first = device.expect_where("sync_page", is_own).await;
        let settings = first["own"]["settings"].as_array().unwrap();
        let of = |what: &str| settings.iter().find(|it| it["what"] == what);
        assert_eq!(of("pin").unwrap()["conversation_id"], id, "{first}");
        assert_eq!(of("push").unwrap()["value"], json!({ "content": "sender" }));
        assert_eq!((of("mute"), &first["more"]), (None, &json!(true)), "{first}");
        let last = device.expect_where("sync_page", is_own).await;
        let entries = last["entries"].as_array().unwrap();
        assert_eq!((entries.len(), &entries[0]["seq"]), (1, &last["head"]), "{last}");
        device.expect("synced").await;
    }
}

#[tokio::test]
async fn settings_reach_all_devices_of_their_user_in_a_cluster() {
    let cluster = Cluster::start("own").await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    Place { gateways, ann: token("ann"), bob: token("bob") }.settings().await;
    cluster.stop().await;
}

#[tokio::test]
async fn settings_reach_all_devices_of_their_user_in_the_all_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let process = serve_with("own", folder.path(), "127.0.0.1:0", &[]).await;
    let gateways = [process.address("http"); 2];
    let (ann, bob) = (own_token(folder.path(), "ann").await, own_token(folder.path(), "bob").await);
    Place { gateways, ann, bob }.settings().await;
}

#[tokio::test]
async fn users_of_one_name_in_two_tenants_set_their_own() {
    let install = Install::all_in_one("own-tenants", &[]).await;
    for (place, tenant) in TENANTS.into_iter().enumerate() {
        let side = Side::of(tenant, &install);
        let mut ann = side.connect("ann", "phone", 0).await;
        let settings = side.get("ann", "/me/settings").await;
        assert_eq!(settings, json!({ "push": null, "privacy": null }), "{tenant}");
        ann.say(&json!({ "type": "set", "ref": "1", "client_id": Uuid::now_v7(), "what": "push",
            "value": { "content": if place == 0 { "none" } else { "full" } } }))
            .await;
        assert_eq!(ann.answer_to("1").await["seq"], 1, "{tenant}");
    }
    install.stop().await;
}
