//! Pinned messages, and messages for one type of device: over every way in, on the cluster and the all-in-one, in small
//! conversations and in large ones.

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
    cleo: String,
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

    async fn device(&self, gateway: usize, token: &str, of: &str) -> Client {
        let path = format!("/ws?token={token}&device={of}&device_type={of}");
        let mut client = Client::open(self.gateways[gateway], &path).await;
        client.expect("welcome").await;
        client
    }

    /// The seqs that are pinned, the last one first.
    async fn pinned(&self, id: &str) -> Vec<u64> {
        let path = format!("conversations/{id}/pins?device_type=web");
        let (status, page) = self.ask(Method::GET, &path, &self.bob, &Value::Null).await;
        assert_eq!(status, 200, "{page}");
        let pins = page["pins"].as_array().unwrap().iter();
        pins.map(|pin| pin["entry"]["seq"].as_u64().unwrap()).collect()
    }

    async fn group(&self) -> String {
        let new = json!({ "kind": "group", "title": "Crew", "members": ["bob", "cleo"] });
        let (status, made) = self.ask(Method::POST, "conversations", &self.ann, &new).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// Pins over the socket, the event stream and REST; each is told live and stands in the log.
    async fn pins(&self) {
        let mut ann = self.device(0, &self.ann, "web").await;
        let mut bob = self.device(1, &self.bob, "web").await;
        let id = self.group().await;
        for seq in 2..=4 {
            bob.send_in(&id, &format!("message {seq}")).await;
            bob.expect("sent").await;
        }
        let client_id = Uuid::now_v7();
        let pin = json!({ "type": "pin", "ref": "p", "client_id": client_id, "conversation_id": id,
            "seq": 2, "on": true });
        ann.say(&pin).await;
        assert_eq!(ann.answer_to("p").await["seq"], 5);
        let entry = bob.expect_where("entry", |entry| entry["kind"] == "pin").await;
        assert_eq!((&entry["target"], &entry["content"]), (&json!(2), &json!({ "on": true })));
        ann.say(&pin).await;
        assert_eq!(ann.answer_to("p").await["seq"], 5, "a repeat has the first answer");

        let (mut stream, stream_id) = Events::open(self.gateways[1], &self.ann).await;
        let again = json!([{ "type": "pin", "ref": "s", "client_id": Uuid::now_v7(),
            "conversation_id": id, "seq": 2, "on": true }]);
        let status = events::post(self.gateways[1], &stream_id, &self.ann, &again).await;
        assert!(status.is_success(), "{status}");
        assert_eq!(stream.expect("sent").await["unchanged"], true);

        let path = format!("conversations/{id}/pins");
        let put = |seq: u64| format!("{path}/{seq}");
        let (status, stored) = self.ask(Method::PUT, &put(3), &self.ann, &Value::Null).await;
        assert_eq!((status, &stored["seq"]), (200, &json!(6)), "{stored}");
        assert_eq!(self.pinned(&id).await, [3, 2]);
        let key = Uuid::now_v7();
        let unpin = format!("{}?client_id={key}", put(2));
        for expected in [7, 7] {
            let (status, stored) = self.ask(Method::DELETE, &unpin, &self.ann, &Value::Null).await;
            assert_eq!((status, &stored["seq"]), (200, &json!(expected)), "{stored}");
        }
        assert_eq!(self.pinned(&id).await, [3]);
        for (token, path, code) in [
            (&self.bob, put(4), "forbidden"),
            (&self.ann, put(99), "not_found"),
            (&self.ann, put(5), "not_found"),
            (&self.ann, put(0), "invalid"),
        ] {
            let (_, answer) = self.ask(Method::PUT, &path, token, &Value::Null).await;
            assert_eq!(
                (&answer["code"], &answer["stored"]),
                (&json!(code), &json!("no")),
                "{path}"
            );
        }
        let (_, listed) = self.ask(Method::GET, "conversations", &self.bob, &Value::Null).await;
        let listed = &listed["conversations"][0];
        assert_eq!(
            (&listed["last_entry"]["seq"], &listed["last_message"]["seq"], &listed["unread"]),
            (&json!(7), &json!(4), &json!(0)),
            "{listed}"
        );
    }

    /// A message for phones: whole on phones and on the sender's other devices, blank on others, wherever it is read.
    async fn for_phones(&self) {
        let mut web = self.device(0, &self.ann, "web").await;
        let mut desktop = self.device(1, &self.ann, "desktop").await;
        let mut phone = self.device(1, &self.bob, "ios").await;
        let mut browser = self.device(0, &self.bob, "web").await;
        let mut others = self.device(1, &self.cleo, "android").await;
        let id = self.group().await;
        let send = json!({ "type": "send", "ref": "1", "client_id": Uuid::now_v7(), "conversation_id": id,
            "device_type": "ios", "content": { "text": "for phones" } });
        web.say(&send).await;
        assert_eq!(web.answer_to("1").await["seq"], 2);
        let (whole, blank) = (json!({ "text": "for phones" }), json!({}));
        for (device, content) in [
            (&mut desktop, &whole),
            (&mut phone, &whole),
            (&mut browser, &blank),
            (&mut others, &blank),
        ] {
            let entry = device.expect_where("entry", |entry| entry["seq"] == 2).await;
            assert_eq!(&entry["content"], content, "live {entry}");
            device.say(&json!({ "type": "sync", "cursors": { &id: 1 } })).await;
            let is_of = |page: &Value| page["conversation_id"] == id.as_str();
            let page = device.expect_where("sync_page", is_of).await;
            assert_eq!(&page["entries"][0]["content"], content, "by sync {page}");
        }
        for (of, content) in [("ios", &whole), ("web", &blank)] {
            let path = format!("conversations/{id}/messages?device_type={of}");
            let (_, page) = self.ask(Method::GET, &path, &self.bob, &Value::Null).await;
            assert_eq!(&page["entries"][1]["content"], content, "in history {page}");
        }
        let toaster = json!({ "type": "send", "ref": "2", "client_id": Uuid::now_v7(),
            "conversation_id": id, "device_type": "toaster", "content": { "text": "x" } });
        web.say(&toaster).await;
        assert_eq!(web.answer_to("2").await["code"], "invalid");
        let to = json!({ "device_type": "toaster", "content": { "text": "x" } });
        let path = format!("conversations/{id}/messages");
        assert_eq!(self.ask(Method::POST, &path, &self.ann, &to).await.0, 400);
    }
}

#[tokio::test]
async fn pins_and_messages_for_one_type_of_device_work_in_a_cluster() {
    let cluster = Cluster::start("pins").await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let (ann, bob, cleo) = (token("ann"), token("bob"), token("cleo"));
    let place = Place { gateways, ann, bob, cleo };
    place.pins().await;
    place.for_phones().await;
    cluster.stop().await;
}

#[tokio::test]
async fn pins_and_messages_for_one_type_of_device_work_in_large_conversations() {
    let settings = [("TIDINGS_CHAT__LANES__LARGE_MEMBERS", "2")];
    let cluster = Cluster::start_with("pins-large", &settings).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let (ann, bob, cleo) = (token("ann"), token("bob"), token("cleo"));
    let place = Place { gateways, ann, bob, cleo };
    place.pins().await;
    place.for_phones().await;
    cluster.stop().await;
}

#[tokio::test]
async fn pins_and_messages_for_one_type_of_device_work_in_the_all_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let process = serve_with("pins", folder.path(), "127.0.0.1:0", &[]).await;
    let gateways = [process.address("http"); 2];
    let token = async |user: &str| own_token(folder.path(), user).await;
    let (ann, bob, cleo) = (token("ann").await, token("bob").await, token("cleo").await);
    let place = Place { gateways, ann, bob, cleo };
    place.pins().await;
    place.for_phones().await;
}

#[tokio::test]
async fn two_tenants_pin_messages_of_equal_ids_apart() {
    let install = Install::all_in_one("pins-tenants", &[]).await;
    let group = Uuid::now_v7();
    let mut ids = Vec::new();
    for tenant in TENANTS {
        let side = Side::of(tenant, &install);
        let mut ann = side.connect("ann", "phone", 0).await;
        ann.say(&json!({ "type": "send", "ref": "1", "client_id": group, "to": "bob",
            "content": { "text": tenant } }))
            .await;
        let id = ann.answer_to("1").await["conversation_id"].as_str().unwrap().to_owned();
        if ids.is_empty() {
            ann.say(&json!({ "type": "pin", "ref": "2", "client_id": Uuid::now_v7(),
                "conversation_id": id, "seq": 1, "on": true }))
                .await;
            assert_eq!(ann.answer_to("2").await["seq"], 2);
        }
        let pins = side.get("ann", &format!("/conversations/{id}/pins")).await;
        let expected = usize::from(ids.is_empty());
        assert_eq!(pins["pins"].as_array().unwrap().len(), expected, "{tenant}: {pins}");
        ids.push(id);
    }
    install.stop().await;
}
