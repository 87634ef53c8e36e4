//! An id of another tenant is answered as one that nobody has, whatever the way in: every operation of REST and every
//! frame.

use std::collections::BTreeSet;

use e2e::client::{Client, Heard};
use e2e::tenants::{Install, Side, token_of};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Ids of every kind, all of one tenant or all of nobody.
#[derive(Debug, Clone)]
struct Ids {
    conversation: String,
    group: String,
    user: String,
    entry: String,
    client_id: String,
    connection: String,
    device: String,
    letter: String,
    jti: String,
    webhook: String,
}

impl Ids {
    /// Ids that nobody has, of the same length.
    fn of_nobody(&self) -> Self {
        // It sorts where the other one does.
        let user = format!("z{}", "n".repeat(self.user.len() - 1));
        let (gateway, number) = self.connection.rsplit_once('.').unwrap();
        let number = u64::from_str_radix(number, 16).unwrap() + 1_000_003;
        let fresh = || Uuid::now_v7().to_string();
        Self {
            conversation: fresh(),
            group: fresh(),
            user,
            entry: fresh(),
            client_id: fresh(),
            connection: format!("{gateway}.{number:x}"),
            device: "n".repeat(self.device.len()),
            letter: self.letter.chars().rev().collect(),
            jti: "n".repeat(self.jti.len()),
            webhook: fresh(),
        }
    }

    /// Each in the place of its name.
    fn put_into(&self, template: &str) -> String {
        self.named()
            .iter()
            .fold(template.to_owned(), |text, (name, id)| text.replace(&format!("<{name}>"), id))
    }

    /// Their names in the place of each.
    fn take_out_of(&self, text: &str) -> String {
        self.named()
            .iter()
            .fold(text.to_owned(), |text, (name, id)| text.replace(*id, &format!("<{name}>")))
    }

    fn named(&self) -> [(&'static str, &str); 10] {
        [
            ("conversation", &self.conversation),
            ("group", &self.group),
            ("connection", &self.connection),
            ("entry", &self.entry),
            ("client_id", &self.client_id),
            ("letter", &self.letter),
            ("user", &self.user),
            ("device", &self.device),
            ("jti", &self.jti),
            ("webhook", &self.webhook),
        ]
    }
}

/// What is new in each answer in one spelling: ids and moments that the server makes.
fn alike(text: &str) -> String {
    let mut out = String::new();
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(|c| !is_part(c)).map_or(rest.len(), |end| at + end);
        let word = &rest[at..end];
        let is_moment = word.len() >= 12 && word.chars().all(|c| c.is_ascii_digit());
        out.push_str(if Uuid::try_parse(word).is_ok() || is_moment { "*" } else { word });
        rest = &rest[end..];
    }
    out + rest
}

/// Requests with ids in each place that takes one. Together they are all operations that take an id.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "/admin/connections?after=<connection>", ""),
    ("GET", "/admin/dead-letters?after=<letter>", ""),
    ("GET", "/admin/dead-letters/<letter>", ""),
    ("POST", "/admin/dead-letters/<letter>/replay", ""),
    ("DELETE", "/admin/dead-letters/<letter>", ""),
    ("GET", "/admin/webhooks/<webhook>", ""),
    ("PATCH", "/admin/webhooks/<webhook>", r#"{"state":"disabled"}"#),
    ("DELETE", "/admin/webhooks/<webhook>", ""),
    ("POST", "/admin/webhooks/<webhook>/rotate", ""),
    ("POST", "/admin/webhooks/<webhook>/test", ""),
    ("GET", "/admin/webhooks/<webhook>/dead", ""),
    ("POST", "/admin/webhooks/<webhook>/replay", r#"{"conversation_id":"<group>","from_seq":1}"#),
    ("POST", "/admin/webhooks/<webhook>/skip", r#"{"conversation_id":"<group>"}"#),
    ("GET", "/events?conversation_id=<group>&after=0", ""),
    ("GET", "/admin/explain?message=<conversation>:1", ""),
    ("GET", "/admin/explain?message=<group>:1&user=<user>", ""),
    ("GET", "/admin/explain?message=<entry>", ""),
    ("GET", "/admin/explain?message=<client_id>", ""),
    ("GET", "/admin/sessions?user_id=<user>", ""),
    ("DELETE", "/admin/sessions?user_id=<user>&device_id=<device>", ""),
    ("DELETE", "/admin/sessions?user_id=<user>&jti=<jti>", ""),
    ("DELETE", "/admin/sessions?user_id=<user>", ""),
    ("POST", "/admin/broadcast", r#"{"id":"<entry>","content":{}}"#),
    ("GET", "/conversations?after=<group>", ""),
    ("POST", "/conversations", r#"{"kind":"direct","members":["<user>"]}"#),
    (
        "POST",
        "/conversations",
        r#"{"kind":"group","title":"t","members":["<user>"],"client_id":"<client_id>"}"#,
    ),
    ("GET", "/conversations/<conversation>", ""),
    ("GET", "/conversations/<group>", ""),
    ("PATCH", "/conversations/<group>", r#"{"title":"mine"}"#),
    ("GET", "/conversations/<group>/members", ""),
    ("POST", "/conversations/<group>/members", r#"{"members":["operator","<user>"]}"#),
    ("DELETE", "/conversations/<group>/members/<user>", ""),
    ("PATCH", "/conversations/<group>/members/<user>", r#"{"role":"admin"}"#),
    ("GET", "/conversations/<conversation>/messages", ""),
    ("GET", "/conversations/<group>/messages?after_seq=0", ""),
    ("POST", "/conversations/<conversation>/messages", r#"{"content":{"text":"x"}}"#),
    (
        "POST",
        "/conversations/<group>/messages",
        r#"{"content":{"text":"x"},"client_id":"<client_id>"}"#,
    ),
    ("POST", "/conversations/<group>/messages", r#"{"kind":"notice","content":{"body":"x"}}"#),
    ("GET", "/conversations/<group>/messages?thread=1", ""),
    (
        "POST",
        "/conversations/<group>/messages",
        r#"{"content":{"text":"x"},"thread":1,"mention_all":true,"mentions":["<user>"]}"#,
    ),
    ("GET", "/conversations/<conversation>/messages/1/reads", ""),
    ("GET", "/conversations/<group>/messages/1/reads", ""),
    ("GET", "/conversations/<conversation>/messages/1/delivery", ""),
    ("GET", "/conversations/<group>/messages/1/delivery", ""),
    ("POST", "/conversations/<group>/messages/1/act", r#"{"bot":"<user>","action_id":"x"}"#),
    ("POST", "/conversations/<conversation>/messages/1/forward", r#"{"to":["<group>"]}"#),
    ("GET", "/conversations/<conversation>/pins", ""),
    ("PUT", "/conversations/<conversation>/pins/1", ""),
    ("PUT", "/conversations/<group>/pins/1", ""),
    ("DELETE", "/conversations/<group>/pins/1", ""),
    ("GET", "/conversations/<conversation>/messages/1", ""),
    ("GET", "/conversations/<group>/messages/1/history", ""),
    ("GET", "/conversations/<group>/messages/changes?from_seq=1&to_seq=9", ""),
    ("PATCH", "/conversations/<conversation>/messages/1", r#"{"content":{"text":"x"}}"#),
    ("DELETE", "/conversations/<conversation>/messages/1", ""),
    ("POST", "/conversations/<group>/messages/delete", r#"{"seqs":[1]}"#),
    ("PUT", "/conversations/<conversation>/messages/1/reactions", r#"{"key":"x"}"#),
    ("GET", "/conversations/<conversation>/messages/1/reactions", ""),
    ("GET", "/conversations/<group>/messages/1/reactions?key=x", ""),
    ("DELETE", "/conversations/<group>/messages/1/reactions?key=x", ""),
    ("GET", "/me/conversations/<conversation>", ""),
    ("GET", "/me/drafts/<conversation>/history", ""),
    ("PUT", "/me/drafts/<group>", r#"{"content":{"text":"x"}}"#),
    ("DELETE", "/me/drafts/<group>", ""),
    ("PUT", "/me/conversations/<group>", r#"{"archived":true}"#),
    ("POST", "/messages", r#"{"to":"<user>","content":{"text":"x"},"mentions":["<user>"]}"#),
    ("POST", "/messages", r#"{"to":"peer","content":{"text":"x"},"mentions":["<user>"]}"#),
    ("GET", "/presence?ids=<user>", ""),
    ("POST", "/presence", r#"{"ids":["<user>"]}"#),
    ("DELETE", "/sessions?device_id=<device>", ""),
    ("DELETE", "/sessions/<connection>", ""),
    ("GET", "/users?ids=<user>", ""),
    ("GET", "/users?prefix=<user>", ""),
    ("GET", "/admin/notices/<entry>", ""),
    ("DELETE", "/admin/notices/<entry>", ""),
    ("GET", "/admin/notices/<entry>/receipts?state=read", ""),
    ("POST", "/admin/notices/<entry>/resend_push", ""),
    ("POST", "/notices/<entry>/read", ""),
    ("DELETE", "/me/push_devices/<device>", ""),
    ("PUT", "/me/push_devices/<device>", r#"{"provider":"fcm","token":"t"}"#),
];

/// Operations that take no id: of the asker alone, of nobody, or a name that becomes a user by being named.
const WITHOUT_IDS: &[(&str, &str)] = &[
    ("GET", "/api/v1/admin/followers"),
    // For operators of the install alone, in the tenant `default`.
    ("GET", "/api/v1/admin/followers/{name}/aside"),
    ("GET", "/api/v1/admin/notices"),
    ("POST", "/api/v1/admin/notices"),
    ("GET", "/api/v1/admin/push/dead"),
    ("GET", "/api/v1/admin/stats"),
    ("GET", "/api/v1/admin/webhooks"),
    // What a filter names of others is never seen.
    ("POST", "/api/v1/admin/webhooks"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/me/drafts"),
    ("GET", "/api/v1/me/settings"),
    ("PUT", "/api/v1/me/settings"),
    ("GET", "/api/v1/me/mentions"),
    ("GET", "/api/v1/me/push_devices"),
    ("GET", "/api/v1/me/status"),
    ("GET", "/api/v1/meta"),
    ("GET", "/api/v1/notices"),
    ("GET", "/api/v1/sessions"),
    ("GET", "/api/v1/threads"),
    ("POST", "/api/v1/dev/token"),
];

/// Every operation of the description stands in one of both lists.
#[test]
fn no_operation_is_left_out() {
    let committed = include_str!("../../../docs/openapi.json");
    let openapi: Value = serde_json::from_str(committed).unwrap();
    let shape = |path: &str| -> Vec<String> {
        let path = path.split('?').next().unwrap().trim_start_matches("/api/v1");
        let part = |part: &str| {
            let is_given = part.starts_with(['<', '{']) || part.parse::<u64>().is_ok();
            if is_given { "*".to_owned() } else { part.to_owned() }
        };
        path.split('/').map(part).collect()
    };
    let tried: BTreeSet<_> =
        REQUESTS.iter().map(|(method, path, _)| (*method, shape(path))).collect();
    let without: BTreeSet<_> =
        WITHOUT_IDS.iter().map(|(method, path)| (*method, shape(path))).collect();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            // Of the states of a notice one is tried.
            let operation = (method.as_str(), shape(&path.replace("{state}", "read")));
            assert!(tried.contains(&operation) != without.contains(&operation), "{method} {path}");
        }
    }
}

/// Frames with ids in each place that takes one; an answer comes to those with a `ref`.
const FRAMES: &[&str] = &[
    r#"{"type":"pin","ref":"r","client_id":"<client_id>","conversation_id":"<conversation>","seq":1,"on":true}"#,
    r#"{"type":"pin","ref":"r","client_id":"<client_id>","conversation_id":"<group>","seq":1,"on":false}"#,
    r#"{"type":"edit","ref":"r","client_id":"<client_id>","conversation_id":"<group>","seq":1,"content":{"text":"x"}}"#,
    r#"{"type":"delete","ref":"r","client_id":"<client_id>","conversation_id":"<conversation>","seq":1}"#,
    r#"{"type":"react","ref":"r","client_id":"<client_id>","conversation_id":"<conversation>","seq":1,"key":"x","on":true}"#,
    r#"{"type":"send","ref":"r","client_id":"<client_id>","conversation_id":"<conversation>","content":{"text":"x"}}"#,
    r#"{"type":"send","ref":"r","client_id":"<client_id>","conversation_id":"<group>","content":{"text":"x"}}"#,
    r#"{"type":"send","ref":"r","client_id":"<entry>","conversation_id":"<group>","reply_to":1,"content":{"text":"x"}}"#,
    r#"{"type":"send","ref":"r","client_id":"<client_id>","to":"<user>","content":{"text":"x"}}"#,
    r#"{"type":"send","ref":"r","client_id":"<entry>","to":"peer","mentions":["<user>"],"content":{"text":"x"}}"#,
    r#"{"type":"set","ref":"r","client_id":"<client_id>","what":"mute","conversation_id":"<group>","value":{}}"#,
    r#"{"type":"draft","ref":"r","client_id":"<client_id>","conversation_id":"<group>","content":{"text":"x"}}"#,
    r#"{"type":"act","ref":"r","client_id":"<client_id>","conversation_id":"<group>","seq":1,"bot":"<user>","action_id":"x"}"#,
    r#"{"type":"send","ref":"r","client_id":"<entry>","conversation_id":"<group>","thread":1,"content":{"text":"x"}}"#,
    r#"{"type":"read","conversation_id":"<group>","seq":1,"thread":1}"#,
    r#"{"type":"forward","ref":"r","client_id":"<client_id>","conversation_id":"<group>",
        "source":{"conversation_id":"<conversation>","seq":1}}"#,
    r#"{"type":"delivered","conversation_id":"<conversation>","seq":1}"#,
    r#"{"type":"read","conversation_id":"<group>","seq":1}"#,
    r#"{"type":"typing","conversation_id":"<group>","on":true}"#,
    r#"{"type":"signal","to":"<user>","call_id":"<entry>","kind":"ring","data":1}"#,
    r#"{"type":"sync","ref":"r","cursors":{"<conversation>":1,"<group>":0}}"#,
];

/// What is said of a frame: everything up to its answer, where there is one, and to the next `pong`.
async fn said_of(client: &mut Client, frame: &Value) -> Vec<String> {
    client.say(frame).await;
    let mut heard = Vec::new();
    if frame.get("ref").is_some() {
        loop {
            let next = client.expect_any(&["sent", "error", "sync_page", "synced"]).await;
            let is_page = next["type"] == "sync_page";
            // A page that was not asked for is one that was not acknowledged in time.
            if !is_page || frame["type"] == "sync" {
                heard.push(next.to_string());
            }
            if !is_page {
                break;
            }
        }
    }
    client.say(&json!({ "type": "ping" })).await;
    while let Heard::Frame(next) = client.hear().await {
        match next["type"].as_str().unwrap() {
            "pong" => return heard,
            // Of what was asked for before, whenever it comes.
            "presence" | "entry" | "notice" | "receipt" | "sync_page" => {}
            _ => heard.push(next.to_string()),
        }
    }
    panic!("closed after {frame}");
}

/// A user of `acme` with something of everything.
async fn settle(side: &Side<'_>) -> (Ids, Client) {
    let jti = "token-of-zed-at-acme";
    let token = token_of(side.tenant, "zed-at-acme", &json!({ "jti": jti }));
    let path = format!("/ws?token={token}&device=device-of-zed");
    let mut zed = Client::open(side.install.address(0), &path).await;
    let connection = zed.expect("welcome").await["connection_id"].as_str().unwrap().to_owned();
    let client_id = zed.send_to("ann", "hello").await;
    let sent = zed.answer_to("hello").await;
    let group = json!({ "kind": "group", "title": "ours", "members": ["ann"] });
    let (_, group) = side.ask(&token, Method::POST, "/conversations", &group).await;
    side.install.poison("deadly").await;
    zed.send_to("ann", "deadly").await;
    let refused = zed.answer_to("deadly").await;
    assert_eq!(refused["type"], "error", "{refused}");
    let (status, letters) =
        side.ask(&side.operator(), Method::GET, "/admin/dead-letters", &Value::Null).await;
    assert_eq!(
        (status, &letters["letters"][0]["user_id"]),
        (200, &json!("zed-at-acme")),
        "{letters}"
    );
    let new = json!({ "url": "https://receiver.invalid/", "types": ["chat.call.*"] });
    let (_, made) = side.ask(&side.operator(), Method::POST, "/admin/webhooks", &new).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids = Ids {
        conversation: text(&sent["conversation_id"]),
        group: text(&group["id"]),
        user: "zed-at-acme".to_owned(),
        entry: text(&sent["id"]),
        client_id: client_id.to_string(),
        connection,
        device: "device-of-zed".to_owned(),
        letter: text(&letters["letters"][0]["id"]),
        jti: jti.to_owned(),
        webhook: text(&made["webhook"]["id"]),
    };
    (ids, zed)
}

async fn strangers_find_nothing(install: &Install) {
    let (acme, beta) = (Side::of("acme", install), Side::of("beta", install));
    let (theirs, mut zed) = settle(&acme).await;
    let nobodys = theirs.of_nobody();
    let operator = beta.operator();
    let mut own = Client::connect(install.address(0), &operator).await;
    own.send_to("peer", "first").await;
    own.answer_to("first").await;
    // Has nothing: what a sync says is of what was asked for alone.
    let mut newcomer = beta.connect("newcomer", "phone", 0).await;
    for (method, path, body) in REQUESTS {
        let mut answers = Vec::new();
        for ids in [&theirs, &nobodys] {
            let method: Method = method.parse().unwrap();
            let body = ids.put_into(body);
            let body =
                if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
            let (status, answer) = beta.ask(&operator, method, &ids.put_into(path), &body).await;
            answers.push((status, alike(&ids.take_out_of(&answer.to_string()))));
        }
        assert_eq!(answers[0], answers[1], "{method} {path} {body}");
        assert_ne!(answers[0].0, 429, "{method} {path}");
    }
    for template in FRAMES {
        let mut heard = Vec::new();
        for ids in [&theirs, &nobodys] {
            let frame = serde_json::from_str(&ids.put_into(template)).unwrap();
            let asker = if template.contains("\"sync\"") { &mut newcomer } else { &mut own };
            let said = said_of(asker, &frame).await;
            let mut said: Vec<_> = said.iter().map(|it| alike(&ids.take_out_of(it))).collect();
            said.sort();
            heard.push(said);
        }
        assert_eq!(heard[0], heard[1], "{template}");
    }
    for path in ["/ws/<conversation>", "/ws/<group>"] {
        let mut ends = Vec::new();
        for ids in [&theirs, &nobodys] {
            let path = format!("{}?token={operator}", ids.put_into(path));
            ends.push(Client::open(install.address(0), &path).await.expect_close().await);
        }
        assert_eq!(ends[0], ends[1], "{path}");
    }
    let mut posts = Vec::new();
    for ids in [&theirs, &nobodys] {
        let url = format!("http://{}/sse/{}?token={operator}", install.address(0), ids.connection);
        let answer = beta.http.post(url).json(&json!({ "type": "ping" })).send().await.unwrap();
        posts.push((answer.status(), answer.text().await.unwrap()));
    }
    assert_eq!(posts[0], posts[1], "posts for a stream");
    // All this was nothing to those whose ids they are: still connected, nothing heard, nothing changed.
    zed.say(&json!({ "type": "ping" })).await;
    loop {
        match zed.hear().await {
            Heard::Frame(frame) if frame["type"] == "pong" => break,
            // Of what it has acknowledged itself.
            Heard::Frame(frame) if frame["user_id"] == "zed-at-acme" => {}
            other => panic!("{other:?}"),
        }
    }
    let group = acme.get("zed-at-acme", &format!("/conversations/{}", theirs.group)).await;
    assert_eq!((&group["title"], &group["member_count"]), (&json!("ours"), &json!(2)), "{group}");
    let letter = format!("/admin/dead-letters/{}", theirs.letter);
    let (status, body) = acme.ask(&acme.operator(), Method::GET, &letter, &Value::Null).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn ids_of_another_tenant_are_answered_as_ids_of_nobody_in_a_cluster() {
    let install = Install::cluster("strangers", &[]).await;
    strangers_find_nothing(&install).await;
    install.stop().await;
}

#[tokio::test]
async fn ids_of_another_tenant_are_answered_as_ids_of_nobody_in_one_process() {
    let install = Install::all_in_one("strangers-alone", &[]).await;
    strangers_find_nothing(&install).await;
    install.stop().await;
}
