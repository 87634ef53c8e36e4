//! Edits, deletes and reactions over every way in, on the cluster and the all-in-one, in small conversations and in large
//! ones; and reading what became of messages.

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

fn operation(kind: &str, reference: &str, id: &str, fields: &Value) -> Value {
    let mut frame = json!({ "type": kind, "ref": reference, "client_id": Uuid::now_v7(),
        "conversation_id": id });
    let fields = fields.as_object().unwrap().clone();
    frame.as_object_mut().unwrap().extend(fields);
    frame
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

    async fn get(&self, path: &str, token: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, token, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn group(&self) -> String {
        let new = json!({ "kind": "group", "title": "Crew", "members": ["bob", "cleo"] });
        let (status, made) = self.ask(Method::POST, "conversations", &self.ann, &new).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// Every operation over a socket, a socket with MessagePack, an event stream and REST; what each comes to is told to others.
    async fn changes(&self) {
        let path = |token: &str, device: &str| format!("/ws?token={token}&device={device}");
        let mut bob = Client::open(self.gateways[0], &path(&self.bob, "json")).await;
        bob.expect("welcome").await;
        let mut packed = Client::open_binary(self.gateways[1], &path(&self.bob, "packed")).await;
        packed.expect("welcome").await;
        let mut ann = Client::open(self.gateways[1], &path(&self.ann, "other")).await;
        ann.expect("welcome").await;
        let id = self.group().await;
        for seq in 2..=7 {
            bob.send_in(&id, &format!("message {seq}")).await;
            bob.expect("sent").await;
        }
        let base = format!("conversations/{id}/messages");
        // Over sockets: the same operation with the same client id has one answer.
        for (seq, socket, of) in [(8, &mut bob, "json"), (10, &mut packed, "packed")] {
            let content = json!({ "seq": 2, "content": { "text": format!("edited, {of}") } });
            let edit = operation("edit", "e", &id, &content);
            socket.say(&edit).await;
            assert_eq!(socket.answer_to("e").await["seq"], seq);
            socket.say(&edit).await;
            assert_eq!(socket.answer_to("e").await["seq"], seq, "a repeat");
            let is_it = |entry: &Value| entry["seq"] == seq;
            let entry = ann.expect_where("entry", is_it).await;
            assert_eq!((&entry["kind"], &entry["target"]), (&json!("edit"), &json!(2)));
            assert_eq!(entry["content"]["content"]["text"], format!("edited, {of}"));
            let react = json!({ "seq": 2, "key": format!("👍 {of}"), "on": true });
            socket.say(&operation("react", "r", &id, &react)).await;
            assert_eq!(socket.answer_to("r").await["seq"], seq + 1);
            socket.say(&operation("react", "r2", &id, &react)).await;
            let answer = socket.answer_to("r2").await;
            assert_eq!((&answer["unchanged"], &answer["seq"]), (&json!(true), &json!(seq + 1)));
        }
        // Over an event stream.
        let (mut stream, stream_id) = Events::open(self.gateways[1], &self.bob).await;
        let delete = json!([operation("delete", "d", &id, &json!({ "seqs": [3, 4] }))]);
        let status = events::post(self.gateways[1], &stream_id, &self.bob, &delete).await;
        assert!(status.is_success(), "{status}");
        assert_eq!(stream.expect("sent").await["seq"], 12);
        // Over REST.
        let body = json!({ "content": { "text": "by REST" }, "base": 10 });
        let (status, stored) =
            self.ask(Method::PATCH, &format!("{base}/2"), &self.bob, &body).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(13)), "{stored}");
        let (status, refused) =
            self.ask(Method::PATCH, &format!("{base}/2"), &self.bob, &body).await;
        assert_eq!(
            (status, &refused["code"], &refused["current"]),
            (409, &json!("conflict"), &json!(13))
        );
        let body = json!({ "key": "🎉" });
        let reactions = format!("{base}/2/reactions");
        let (status, stored) = self.ask(Method::PUT, &reactions, &self.ann, &body).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(14)), "{stored}");
        let back = format!("{reactions}?key=%F0%9F%8E%89");
        let (status, stored) = self.ask(Method::DELETE, &back, &self.ann, &Value::Null).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(15)), "{stored}");
        let gone = format!("{base}/5?reason=off%20topic");
        let (status, stored) = self.ask(Method::DELETE, &gone, &self.ann, &Value::Null).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(16)), "{stored}");
        let several = format!("{base}/delete");
        let body = json!({ "seqs": [6, 7] });
        let (status, stored) = self.ask(Method::POST, &several, &self.bob, &body).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(17)), "{stored}");
        self.is_refused(&id).await;
        self.reads(&id).await;
        self.syncs(&mut ann, &id).await;
    }

    async fn is_refused(&self, id: &str) {
        let base = format!("conversations/{id}/messages");
        let edit = json!({ "content": { "text": "x" } });
        for (method, path, token, body, code) in [
            (Method::PATCH, format!("{base}/2"), &self.ann, &edit, "forbidden"),
            (Method::PATCH, format!("{base}/3"), &self.bob, &edit, "not_found"),
            (Method::PATCH, format!("{base}/99"), &self.bob, &edit, "not_found"),
            (Method::PATCH, format!("{base}/0"), &self.bob, &edit, "invalid"),
            (Method::PATCH, format!("{base}/2"), &self.bob, &json!({ "content": {} }), "invalid"),
            (
                Method::PUT,
                format!("{base}/2/reactions"),
                &self.bob,
                &json!({ "key": "" }),
                "invalid",
            ),
            (Method::DELETE, format!("{base}/1"), &self.ann, &Value::Null, "not_found"),
            (
                Method::POST,
                format!("{base}/delete"),
                &self.ann,
                &json!({ "seqs": [2] }),
                "forbidden",
            ),
            (Method::POST, format!("{base}/delete"), &self.ann, &json!({ "seqs": [] }), "invalid"),
        ] {
            let (_, answer) = self.ask(method, &path, token, body).await;
            let told = (&answer["code"], &answer["stored"]);
            assert_eq!(told, (&json!(code), &json!("no")), "{path} {answer}");
        }
    }

    async fn reads(&self, id: &str) {
        let base = format!("conversations/{id}/messages");
        let page = self.get(&format!("{base}?view=messages"), &self.bob).await;
        let seqs: Vec<_> =
            page["entries"].as_array().unwrap().iter().map(|it| it["seq"].clone()).collect();
        assert_eq!((seqs, &page["as_of"]), ((2..=7).map(Value::from).collect(), &json!(17)));
        let state = &page["states"]["2"];
        assert_eq!(
            (&state["content"]["text"], &state["edited"]["count"]),
            (&json!("by REST"), &json!(3))
        );
        assert_eq!(
            (&state["as_of"], &state["mine"]),
            (&json!(15), &json!(["👍 json", "👍 packed"]))
        );
        assert_eq!(page["states"]["5"]["deleted"], json!({ "seq": 16, "by": "admin" }));
        assert!(!page.to_string().contains("message 3"), "{page}");
        let one = self.get(&format!("{base}/2"), &self.ann).await;
        assert_eq!((&one["entry"]["seq"], &one["state"]["as_of"]), (&json!(2), &json!(15)));
        assert_eq!(one["state"].get("mine"), None);
        let first = self.get(&format!("{base}/2/reactions?limit=1"), &self.ann).await;
        let after = first["next"].as_str().unwrap();
        let rest = self.get(&format!("{base}/2/reactions?after={after}"), &self.ann).await;
        let by_bob = |key: &str| json!([{ "user_id": "bob", "key": key }]);
        assert_eq!(
            (&first["reactions"], &rest["reactions"], rest.get("next")),
            (&by_bob("👍 json"), &by_bob("👍 packed"), None)
        );
        let key = "%F0%9F%91%8D%20packed";
        let packed = self.get(&format!("{base}/2/reactions?key={key}"), &self.ann).await;
        assert_eq!(packed, json!({ "reactions": by_bob("👍 packed") }));
        let first = self.get(&format!("{base}/2?as_of=2"), &self.ann).await;
        assert_eq!((first.get("state"), &first["as_of"]), (None, &json!(2)));
        let page = self.get(&format!("{base}?view=messages&as_of=4"), &self.ann).await;
        let seqs = page["entries"].as_array().unwrap().iter().map(|it| it["seq"].clone());
        assert_eq!(seqs.collect::<Vec<_>>(), [2, 3, 4].map(Value::from));
        assert_eq!((&page["as_of"], &page["head"]), (&json!(4), &json!(17)));
        let range = format!("{base}/changes?from_seq=1&to_seq=9&after_seq=15");
        let changed = self.get(&range, &self.ann).await;
        let seqs: Vec<_> = changed["states"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            (seqs, &changed["as_of"]),
            (vec!["5".into(), "6".into(), "7".into()], &json!(17))
        );
        let history = self.get(&format!("{base}/2/history"), &self.ann).await;
        assert_eq!(history["entries"].as_array().unwrap().len(), 4, "{history}");
        let history = self.get(&format!("{base}/5/history"), &self.ann).await;
        assert_eq!(history["entries"][0]["content"], json!({}));
        let log = self.get(&format!("{base}?after_seq=0"), &self.bob).await;
        assert_eq!(log["entries"].as_array().unwrap().len(), 17);
        for gone in ["message 3", "message 4", "message 5", "message 6", "message 7"] {
            assert!(!log.to_string().contains(gone), "{gone} in {log}");
        }
        let listed = self.get("conversations", &self.ann).await;
        let listed = &listed["conversations"][0];
        assert_eq!(
            (&listed["unread"], &listed["last_message"]["seq"]),
            (&json!(1), &json!(7)),
            "{listed}"
        );
        for path in ["around_seq=2", "view=messages&before_seq=1&after_seq=2", "view=all"] {
            let path = format!("{base}?{path}");
            assert_eq!(
                self.ask(Method::GET, &path, &self.ann, &Value::Null).await.0,
                400,
                "{path}"
            );
        }
    }

    async fn syncs(&self, ann: &mut Client, id: &str) {
        ann.say(
            &json!({ "type": "sync", "cursors": { id: 1 }, "states": true, "max_behind": 2_000 }),
        )
        .await;
        // What was pushed before and not acknowledged in time comes again beside it, without states.
        let is_of = |page: &Value| page["conversation_id"] == id && page["states"].is_object();
        let page = ann.expect_where("sync_page", is_of).await;
        assert_eq!(
            (&page["as_of"], &page["states"]["2"]["as_of"]),
            (&json!(17), &json!(15)),
            "{page}"
        );
        assert_eq!(page["states"]["2"].get("mine"), None);
        ann.say(&json!({ "type": "sync", "ref": "s", "cursors": {}, "max_behind": 10 })).await;
        assert_eq!(ann.answer_to("s").await["code"], "invalid");
    }
}

#[tokio::test]
async fn messages_are_changed_in_a_cluster() {
    let cluster = Cluster::start("changes").await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let place = Place { gateways, ann: token("ann"), bob: token("bob") };
    place.changes().await;
    cluster.stop().await;
}

#[tokio::test]
async fn messages_are_changed_in_the_all_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let process = serve_with("changes", folder.path(), "127.0.0.1:0", &[]).await;
    let gateways = [process.address("http"); 2];
    let token = async |user: &str| own_token(folder.path(), user).await;
    let place = Place { gateways, ann: token("ann").await, bob: token("bob").await };
    place.changes().await;
}

#[tokio::test]
async fn two_tenants_change_messages_of_equal_ids_apart() {
    let install = Install::all_in_one("changes-tenants", &[]).await;
    let client_id = Uuid::now_v7();
    let mut of_first = None;
    for tenant in TENANTS {
        let side = Side::of(tenant, &install);
        let mut ann = side.connect("ann", "phone", 0).await;
        ann.say(&json!({ "type": "send", "ref": "1", "client_id": client_id, "to": "bob",
            "content": { "text": tenant } }))
            .await;
        let id = ann.answer_to("1").await["conversation_id"].as_str().unwrap().to_owned();
        if of_first.is_none() {
            ann.say(&operation("delete", "2", &id, &json!({ "seq": 1 }))).await;
            assert_eq!(ann.answer_to("2").await["seq"], 2);
        }
        let page = side.get("ann", &format!("/conversations/{id}/messages?view=messages")).await;
        let is_gone = page["states"]["1"]["gone"] == "deleted";
        assert_eq!(is_gone, of_first.is_none(), "{tenant}: {page}");
        let content = if is_gone { json!({}) } else { json!({ "text": tenant }) };
        assert_eq!(page["entries"][0]["content"], content, "{tenant}");
        of_first = Some(id);
    }
    install.stop().await;
}
