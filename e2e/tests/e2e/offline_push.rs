//! Offline push: who is not connected is told once, hears that it was read elsewhere, and a provider that is slow or away
//! holds up nobody's messages. On the all-in-one and on the cluster, against fakes that check what the real ones would.

use std::time::{Duration, Instant};

use e2e::all_in_one::{serve_with, token as own_token, token_of_operator};
use e2e::client::Client;
use e2e::cluster::Cluster;
use e2e::eventually::eventually;
use e2e::process::binary;
use e2e::token::{token, token_with};
use push_fakes::{ApnsFake, Browser, Canned, FcmFake, Mode, Received, WebPushFake, WebhookFake};
use reqwest::Method;
use serde_json::{Value, json};

/// The VAPID key of RFC 8291.
const VAPID: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
const SOON: Duration = Duration::from_secs(20);

/// All four providers.
struct Fakes {
    web: WebPushFake,
    fcm: FcmFake,
    apns: ApnsFake,
    hook: WebhookFake,
}

impl Fakes {
    async fn start() -> Self {
        let (web, fcm) = (WebPushFake::start().await, FcmFake::start().await);
        Self { web, fcm, apns: ApnsFake::start().await, hook: WebhookFake::start().await }
    }

    /// The section `[push]`, with short times.
    fn settings(&self, prefix: &str) -> Vec<(String, String)> {
        let [key_id, team_id, topic] = self.apns.ids();
        [
            ("AFTER_MS", "1500".to_owned()),
            ("BETWEEN_MS", "300".to_owned()),
            ("CONTENT", "full".to_owned()),
            ("HTTP__TRUSTED_HOSTS", r#"["127.0.0.1"]"#.to_owned()),
            ("HTTP__TIMEOUT_MS", "1000".to_owned()),
            ("PROVIDERS__WEB_PUSH__PRIVATE_KEY", VAPID.to_owned()),
            ("PROVIDERS__WEB_PUSH__SUBJECT", "mailto:ops@example.com".to_owned()),
            ("PROVIDERS__FCM__SERVICE_ACCOUNT", self.fcm.service_account().to_owned()),
            ("PROVIDERS__FCM__URL", self.fcm.url()),
            ("PROVIDERS__APNS__PRIVATE_KEY", self.apns.private_key().to_owned()),
            ("PROVIDERS__APNS__KEY_ID", key_id.to_owned()),
            ("PROVIDERS__APNS__TEAM_ID", team_id.to_owned()),
            ("PROVIDERS__APNS__TOPICS", format!(r#"["{topic}"]"#)),
            ("PROVIDERS__APNS__URL", self.apns.url()),
            ("PROVIDERS__WEBHOOK__URL", self.hook.url()),
            ("PROVIDERS__WEBHOOK__SECRET", self.hook.secret()),
        ]
        .map(|(key, value)| (format!("{prefix}PUSH__{key}"), value))
        .to_vec()
    }

    fn problems(&self) -> Vec<String> {
        let all = [&*self.web, &*self.fcm, &*self.apns, &*self.hook];
        all.iter().flat_map(|fake| fake.problems()).collect()
    }
}

/// Where a test runs.
struct Place<'a> {
    gateways: [&'a str; 2],
    fakes: &'a Fakes,
    tokens: [String; 3],
    operator: String,
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
        let path = format!("/ws?token={token}&device={of}");
        let mut client = Client::open(self.gateways[gateway], &path).await;
        client.expect("welcome").await;
        client
    }

    async fn register(&self, token: &str, device: &str, body: &Value) {
        let path = format!("me/push_devices/{device}");
        let (status, kept) = self.ask(Method::PUT, &path, token, body).await;
        assert_eq!((status, &kept["device_id"]), (200, &json!(device)), "{kept}");
        assert!(kept.get("token").is_none(), "{kept}");
    }

    async fn subscribe(&self, token: &str, device: &str) -> Browser {
        let (status, own) = self.ask(Method::GET, "me/push_devices", token, &Value::Null).await;
        assert_eq!(status, 200, "{own}");
        assert_eq!(own["providers"], json!(["web_push", "fcm", "apns", "webhook"]));
        let browser = self.fakes.web.subscribe(own["web_push_key"].as_str().unwrap());
        let body = json!({ "provider": "web_push", "subscription": browser.subscription });
        self.register(token, device, &body).await;
        browser
    }

    /// The pushes of a browser, once there are so many.
    async fn told(&self, browser: &Browser, count: usize) -> Vec<Received> {
        let received = || async {
            let received = self.fakes.web.received_of(&browser.token);
            if received.len() >= count { Ok(received) } else { Err(format!("{received:?}")) }
        };
        eventually("a push", SOON, received).await
    }

    /// What takes a browser's notification back, if anything does.
    async fn taken_back(&self, browser: &Browser) -> Option<Value> {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let received = self.fakes.web.received_of(&browser.token);
            if let Some(clear) = received.iter().find(|it| it.data["type"] == "clear") {
                return Some(clear.data.clone());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Offline on all devices: one push to each, over all providers; read on another device: all are cleared.
    async fn is_told_once_and_taken_back(&self) {
        let [ann, bob, _] = &self.tokens;
        let browser = self.subscribe(bob, "laptop").await;
        let app = self.fakes.apns.ids()[2];
        for (device, body) in [
            ("droid", json!({ "provider": "fcm", "token": "droid-1", "content": "none" })),
            (
                "phone",
                json!({ "provider": "apns", "token": "AB12", "app": app, "content": "sender" }),
            ),
            ("own", json!({ "provider": "webhook", "token": "own-1" })),
        ] {
            self.register(bob, device, &body).await;
        }
        let mut writer = self.device(0, ann, "desk").await;
        writer.send_to("bob", "are you there?").await;
        let id = writer.expect("sent").await["conversation_id"].as_str().unwrap().to_owned();
        let told = self.told(&browser, 1).await;
        let data = &told[0].data;
        assert_eq!((&data["type"], &data["conversation_id"]), (&json!("message"), &json!(id)));
        assert_eq!(
            (&data["text"], &data["badge"]),
            (&json!("are you there?"), &json!(1)),
            "{data}"
        );
        assert_eq!(data["reason"], "direct");
        let one = |name: &str, received: Vec<Received>| match received.as_slice() {
            [one] => Ok(one.clone()),
            other => Err(format!("{name}: {other:?}")),
        };
        let droid =
            eventually("fcm", SOON, || async { one("fcm", self.fakes.fcm.received_of("droid-1")) });
        assert_eq!(droid.await.body["message"].get("notification"), None, "it wants no content");
        let phone =
            eventually("apns", SOON, || async { one("apns", self.fakes.apns.received_of("ab12")) });
        let alert = phone.await.body["aps"]["alert"].clone();
        assert_eq!(alert["body"], "New message", "it wants the sender alone: {alert}");
        let own = eventually("hook", SOON, || async {
            one("hook", self.fakes.hook.received_of("own-1"))
        });
        assert_eq!(own.await.data["user_id"], "bob");

        // A second one replaces the first.
        writer.send_to("bob", "hello?").await;
        let told = self.told(&browser, 2).await;
        assert_eq!(told[0].headers["topic"], told[1].headers["topic"]);
        let seq = told[1].data["seq"].as_u64().unwrap();

        // Read on a device that was never registered.
        let mut reader = self.device(1, bob, "tablet").await;
        reader.say(&json!({ "type": "delivered", "conversation_id": id, "seq": seq })).await;
        reader.say(&json!({ "type": "read", "conversation_id": id, "seq": seq })).await;
        let clear = self.taken_back(&browser).await.expect("it is taken back");
        assert_eq!((&clear["seq"], &clear["badge"]), (&json!(seq), &json!(0)));
        let cleared = || async {
            let received = self.fakes.apns.received_of("ab12");
            match received.last() {
                Some(last) if last.headers["apns-push-type"] == "background" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        };
        eventually("the phone is cleared", SOON, cleared).await;
        reader.close().await;
        assert_eq!(self.fakes.web.received_of(&browser.token).len(), 3, "nothing is told twice");
    }

    /// Who is connected and receives is not told; who is connected and does not acknowledge is.
    async fn a_connected_user_is_told_when_nothing_arrives(&self) {
        let [ann, _, cleo] = &self.tokens;
        let browser = self.subscribe(cleo, "laptop").await;
        let mut writer = self.device(0, ann, "desk").await;
        let mut reader = self.device(1, cleo, "laptop").await;
        writer.send_to("cleo", "first").await;
        reader.expect("entry").await;
        // The harness acknowledges what it hears.
        let mut silent = self.device(1, cleo, "laptop").await;
        silent.stop_acknowledging();
        let began = Instant::now();
        writer.send_to("cleo", "second").await;
        silent.expect_where("entry", |entry| entry["content"]["text"] == "second").await;
        let told = self.told(&browser, 1).await;
        assert_eq!(told[0].data["text"], "second", "of the first nothing was told");
        assert!(began.elapsed() >= Duration::from_millis(1_400), "not before its time");
        silent.close().await;
    }

    /// A dead token goes, and so does one that is registered by somebody else.
    async fn a_dead_token_goes(&self) {
        let [ann, _, cleo] = &self.tokens;
        self.register(cleo, "old", &json!({ "provider": "fcm", "token": "dead-1" })).await;
        let body = json!({ "error": { "status": "NOT_FOUND", "details": [{ "errorCode": "UNREGISTERED" }] } });
        let gone = Canned { status: 404, headers: Vec::new(), body: body.to_string() };
        self.fakes.fcm.answer("dead-1", gone);
        let mut writer = self.device(0, ann, "desk").await;
        writer.send_to("cleo", "anybody?").await;
        let is_gone = || async {
            let (_, own) = self.ask(Method::GET, "me/push_devices", cleo, &Value::Null).await;
            let devices = own["devices"].as_array().unwrap();
            let has = devices.iter().any(|device| device["device_id"] == "old");
            if has { Err(own) } else { Ok(()) }
        };
        eventually("the dead token goes", SOON, is_gone).await;

        let taken = json!({ "provider": "webhook", "token": "own-1" });
        self.register(cleo, "taken", &taken).await;
        let (_, own) =
            self.ask(Method::GET, "me/push_devices", &self.tokens[1], &Value::Null).await;
        assert!(!own.to_string().contains(r#""own""#), "{own}");
        let path = "me/push_devices/taken";
        assert_eq!(self.ask(Method::DELETE, path, cleo, &Value::Null).await.0, 204);
        assert_eq!(self.ask(Method::DELETE, path, cleo, &Value::Null).await.0, 404);
    }

    /// An operator has the push of a notice sent again: to who is not connected and did nothing with it, once in a while.
    async fn a_notice_is_pushed_again(&self) {
        let [_, bob, cleo] = &self.tokens;
        let browsers = [self.subscribe(bob, "told").await, self.subscribe(cleo, "told").await];
        let new = json!({ "title": "Down", "body": "At nine.", "audience": { "users": ["bob", "cleo"] } });
        let (status, sent) = self.ask(Method::POST, "admin/notices", &self.operator, &new).await;
        assert_eq!(status, 202, "{sent}");
        let log = &sent["conversation_id"];
        let of_log = |browser: &Browser| {
            let received = self.fakes.web.received_of(&browser.token);
            let is_it = |it: &&Received| &it.data["conversation_id"] == log;
            received.iter().filter(is_it).map(|it| it.data["title"].clone()).collect::<Vec<_>>()
        };
        let told = async |browser: &Browser, count: usize| {
            let is_told = || async {
                let of_log = of_log(browser);
                if of_log.len() == count { Ok(of_log) } else { Err(format!("{of_log:?}")) }
            };
            eventually("the push of a notice", SOON, is_told).await
        };
        for browser in &browsers {
            assert_eq!(told(browser, 1).await, [json!("Down")]);
        }
        let path = format!("notices/{}", sent["id"].as_str().unwrap());
        let show = format!("{path}/shown");
        let (status, shown) = self.ask(Method::POST, &show, bob, &Value::Null).await;
        assert_eq!(status, 200, "{shown}");
        let again = format!("admin/{path}/resend_push");
        let resend = async |path: &str, token: &str| {
            let (status, answer) = self.ask(Method::POST, path, token, &Value::Null).await;
            (status, answer["code"].clone())
        };
        assert_eq!(resend(&again, bob).await.0, 403);
        assert_eq!(resend(&again, &self.operator).await, (202, Value::Null));
        assert_eq!(told(&browsers[1], 2).await.len(), 2);
        assert_eq!(of_log(&browsers[0]).len(), 1, "bob has seen it");
        assert_eq!(resend(&again, &self.operator).await, (429, json!("rate_limited")));
        let there_is_none = format!("admin/notices/{}/resend_push", uuid::Uuid::now_v7());
        assert_eq!(resend(&there_is_none, &self.operator).await, (404, json!("not_found")));
        let (status, _) =
            self.ask(Method::DELETE, &format!("admin/{path}"), &self.operator, &Value::Null).await;
        assert_eq!(status, 200);
        assert_eq!(resend(&again, &self.operator).await, (409, json!("conflict")));
        for token in [bob, cleo] {
            let path = "me/push_devices/told";
            assert_eq!(self.ask(Method::DELETE, path, token, &Value::Null).await.0, 204);
        }
    }

    /// Providers that throttle, die or never answer: messages come as fast as ever, and what they refuse is listed.
    async fn bad_providers_delay_nobody(&self) {
        let [ann, bob, _] = &self.tokens;
        self.fakes.web.behave(Mode::Silent);
        self.fakes.fcm.behave(Mode::Throttled(3_600));
        self.fakes.apns.behave(Mode::Dying);
        let refused = Canned { status: 400, headers: Vec::new(), body: "no".to_owned() };
        self.fakes.hook.answer("own-2", refused);
        self.register(bob, "own", &json!({ "provider": "webhook", "token": "own-2" })).await;
        let mut writer = self.device(0, ann, "desk").await;
        let mut slowest = Duration::ZERO;
        for n in 0..20 {
            let began = Instant::now();
            writer.send_to("bob", &format!("while they are away {n}")).await;
            writer.expect("sent").await;
            slowest = slowest.max(began.elapsed());
        }
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        let listed = || async {
            let (status, page) =
                self.ask(Method::GET, "admin/push/dead", &self.operator, &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            let pushes = page["pushes"].as_array().unwrap();
            match pushes.iter().find(|push| push["provider"] == "webhook") {
                Some(push) => Ok(push.clone()),
                None => Err(page),
            }
        };
        let dead = eventually("the refused push is listed", SOON, listed).await;
        assert_eq!((&dead["user_id"], &dead["reason"]), (&json!("bob"), &json!("400: no")));
        let (status, _) = self.ask(Method::GET, "admin/push/dead", bob, &Value::Null).await;
        assert_eq!(status, 403);
        for fake in [&*self.fakes.web, &*self.fakes.fcm, &*self.fakes.apns] {
            fake.behave(Mode::Healthy);
        }
    }

    /// Operators are told what was decided of a message and what became of it; members what they are told of a
    /// conversation.
    async fn what_is_decided_is_shown(&self) {
        let [ann, _, cleo] = &self.tokens;
        self.register(cleo, "seen", &json!({ "provider": "fcm", "token": "seen-1" })).await;
        let mut writer = self.device(0, ann, "desk").await;
        writer.send_to("cleo", "is it shown?").await;
        let sent = writer.expect("sent").await;
        let (id, seq) = (sent["conversation_id"].as_str().unwrap(), &sent["seq"]);
        let of_cleo = async |seq: &Value| {
            let path = format!("admin/explain?message={id}:{seq}&user=cleo");
            let (status, page) = self.ask(Method::GET, &path, &self.operator, &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            page["members"][0]["offline_push"].clone()
        };
        let is_sent = async || {
            let push = of_cleo(seq).await;
            let devices = push["devices"].as_array().cloned().unwrap_or_default();
            let device = devices.iter().find(|device| device["device_id"] == "seen");
            match device {
                Some(device) if device["state"] == "sent" && device["at"].is_u64() => Ok(push),
                _ => Err(push),
            }
        };
        let push = eventually("it is explained", SOON, is_sent).await;
        assert_eq!(
            (&push["rule"], &push["action"]),
            (&json!("direct"), &json!("urgent")),
            "{push}"
        );

        let path = format!("me/conversations/{id}");
        let (_, own) = self.ask(Method::GET, &path, cleo, &Value::Null).await;
        let wanted = json!({ "push": "all", "rule": "direct", "content": "full" });
        assert_eq!(own["effective"], wanted);
        let mute = json!({ "mute": { "until": null, "mentions": true } });
        let (_, own) = self.ask(Method::PUT, &path, cleo, &mute).await;
        let wanted = json!({ "push": "mentions", "rule": "muted", "content": "full" });
        assert_eq!(own["effective"], wanted);
        writer.send_to("cleo", "and now?").await;
        let seq = writer.expect("sent").await["seq"].clone();
        let push = of_cleo(&seq).await;
        assert_eq!((&push["rule"], &push["action"]), (&json!("muted"), &json!("none")), "{push}");
        let unmuted = json!({ "mute": null });
        let content = json!({ "push": { "content": "none" } });
        self.ask(Method::PUT, &path, cleo, &unmuted).await;
        assert_eq!(self.ask(Method::PUT, "me/settings", cleo, &content).await.0, 200);
        let (_, own) = self.ask(Method::GET, &path, cleo, &Value::Null).await;
        assert_eq!(own["effective"]["content"], "none");
        assert_eq!(
            self.ask(Method::PUT, "me/settings", cleo, &json!({ "push": null })).await.0,
            200
        );
        let path = "me/push_devices/seen";
        assert_eq!(self.ask(Method::DELETE, path, cleo, &Value::Null).await.0, 204);
    }

    /// Devices that cannot be told are refused in words, and a device whose session is ended is told nothing.
    async fn odd_devices_are_refused(&self) {
        let [_, bob, _] = &self.tokens;
        for (device, body) in [
            ("x", json!({ "provider": "pigeon", "token": "t" })),
            ("x", json!({ "provider": "fcm" })),
            ("x", json!({ "provider": "fcm", "token": "" })),
            ("x", json!({ "provider": "fcm", "token": "t", "content": "everything" })),
            ("x", json!({ "provider": "apns", "token": "../x" })),
            ("x", json!({ "provider": "web_push", "token": "nonsense" })),
            (
                "x",
                json!({ "provider": "web_push", "subscription": { "endpoint": "https://10.0.0.1/x",
                "keys": { "p256dh": "", "auth": "" } } }),
            ),
            ("x", json!({ "provider": "fcm", "token": "t", "more": 1 })),
            ("..", json!({ "provider": "fcm", "token": "t" })),
        ] {
            let path = format!("me/push_devices/{device}");
            let (status, answer) = self.ask(Method::PUT, &path, bob, &body).await;
            assert!((400..=404).contains(&status), "{body}: {status} {answer}");
            assert!(answer["message"].as_str().is_some_and(|it| it.len() > 10), "{answer}");
        }
    }
}

async fn everything(place: &Place<'_>) {
    place.odd_devices_are_refused().await;
    place.is_told_once_and_taken_back().await;
    place.a_connected_user_is_told_when_nothing_arrives().await;
    place.a_dead_token_goes().await;
    place.what_is_decided_is_shown().await;
    place.a_notice_is_pushed_again().await;
    assert_eq!(place.fakes.problems(), Vec::<String>::new());
    place.bad_providers_delay_nobody().await;
}

fn pairs(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn a_user_who_is_not_connected_is_told_by_the_all_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = Fakes::start().await;
    let settings = fakes.settings("TIDINGS__");
    let mut server = serve_with("push", folder.path(), "127.0.0.1:0", &pairs(&settings)).await;
    let address = server.address("http").to_owned();
    let [ann, bob, cleo] = ["ann", "bob", "cleo"].map(|user| own_token(folder.path(), user));
    let place = Place {
        gateways: [&address, &address],
        fakes: &fakes,
        tokens: [ann.await, bob.await, cleo.await],
        operator: token_of_operator(folder.path()).await,
    };
    everything(&place).await;
    assert!(server.terminate(Duration::from_secs(30)).await.success());
}

#[tokio::test]
async fn a_user_who_is_not_connected_is_told_by_the_cluster() {
    let fakes = Fakes::start().await;
    let settings = fakes.settings("TIDINGS_CHAT__");
    let cluster = Cluster::start_with("push", &pairs(&settings)).await;
    let place = Place {
        gateways: [cluster.gateway_address(0), cluster.gateway_address(1)],
        fakes: &fakes,
        tokens: ["ann", "bob", "cleo"].map(token),
        operator: token_with("operator", 600, &json!({ "roles": ["admin"] })),
    };
    everything(&place).await;
    cluster.stop().await;
}

/// The bug is built by `make chaos-planted`, which runs this.
#[tokio::test]
#[ignore = "needs the build of the planted bug"]
async fn a_push_that_is_not_taken_back_is_found() {
    let built = binary("chat-service");
    let planted = built.parent().unwrap().parent().unwrap().join("planted/push-not-taken-back");
    let folder = tempfile::tempdir().unwrap();
    for name in ["gateway", "presence-service"] {
        std::os::unix::fs::symlink(binary(name), folder.path().join(name)).unwrap();
    }
    let chat = std::fs::canonicalize(planted.join("chat-service")).unwrap();
    std::os::unix::fs::symlink(chat, folder.path().join("chat-service")).unwrap();
    let fakes = Fakes::start().await;
    let settings = fakes.settings("TIDINGS_CHAT__");
    let cluster = Cluster::start_from(folder.path(), "push-planted", &pairs(&settings)).await;
    let place = Place {
        gateways: [cluster.gateway_address(0), cluster.gateway_address(1)],
        fakes: &fakes,
        tokens: ["ann", "bob", "cleo"].map(token),
        operator: String::new(),
    };
    let browser = place.subscribe(&place.tokens[1], "laptop").await;
    let mut writer = place.device(0, &place.tokens[0], "desk").await;
    writer.send_to("bob", "are you there?").await;
    let sent = writer.expect("sent").await;
    let (id, seq) = (&sent["conversation_id"], &sent["seq"]);
    place.told(&browser, 1).await;
    let mut reader = place.device(1, &place.tokens[1], "tablet").await;
    reader.say(&json!({ "type": "read", "conversation_id": id, "seq": seq })).await;
    assert_eq!(place.taken_back(&browser).await, None, "the bug is not in this build");
    cluster.stop().await;
}
