//! Notices of operators: sent to users, device types and roles, live and later, withdrawn, shown once, counted; in a cluster
//! and in the all-in-one, of two tenants.

use std::time::{Duration, SystemTime};

use e2e::client::Client;
use e2e::tenants::{Install, Side, token_of};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// One tenant's users and operator.
struct Place<'a> {
    side: Side<'a>,
    install: &'a Install,
    tenant: &'static str,
}

impl<'a> Place<'a> {
    fn of(tenant: &'static str, install: &'a Install) -> Self {
        Self { side: Side::of(tenant, install), install, tenant }
    }

    fn token(&self, user: &str, roles: &[&str]) -> String {
        token_of(self.tenant, user, &json!({ "roles": roles }))
    }

    /// A device that keeps the log of notices; what `welcome` said.
    async fn device(
        &self,
        user: &str,
        device: &str,
        roles: &[&str],
        gateway: usize,
    ) -> (Client, Value) {
        let token = self.token(user, roles);
        let path = format!("/ws?token={token}&device={device}&device_type={device}&notices=1");
        let mut client = Client::open(self.install.address(gateway), &path).await;
        let welcome = client.expect("welcome").await;
        (client, welcome)
    }

    async fn operate(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.ask(&self.side.operator(), method, path, body).await
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: &Value) -> (u16, Value) {
        self.side.ask(token, method, &format!("/{path}"), body).await
    }

    async fn send(&self, notice: Value) -> Value {
        let (status, sent) = self.operate(Method::POST, "admin/notices", &notice).await;
        assert_eq!(status, 202, "{sent}");
        sent
    }

    /// The notice, when it satisfies.
    async fn until(&self, what: &str, id: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("admin/notices/{}", id.as_str().unwrap());
        let began = std::time::Instant::now();
        loop {
            let (_, notice) = self.operate(Method::GET, &path, &Value::Null).await;
            if is_so(&notice) {
                return notice;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: {notice}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn inbox(&self, user: &str, roles: &[&str], query: &str) -> Vec<Value> {
        let (token, path) = (self.token(user, roles), format!("notices?{query}"));
        let (status, answer) = self.ask(&token, Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer["notices"].as_array().unwrap().clone()
    }

    /// Asks for the log of notices from a place on; all entries that come.
    async fn catch_up(client: &mut Client, id: &Value, place: u64) -> Vec<Value> {
        let cursors = if place > 0 { json!({ id.as_str().unwrap(): place }) } else { json!({}) };
        client
            .say(&json!({ "type": "sync", "ref": "notices", "cursors": cursors, "only": id }))
            .await;
        let mut entries = Vec::new();
        loop {
            let frame = client.expect_any(&["sync_page", "synced", "error"]).await;
            match frame["type"].as_str() {
                Some("sync_page") => entries.extend(frame["entries"].as_array().unwrap().clone()),
                Some("synced") => return entries,
                _ => panic!("{frame}"),
            }
        }
    }

    /// To everybody: live on every device, later to who comes later, taken back from both, exactly counted.
    async fn to_all(&self) {
        let (mut web, welcome) = self.device("ann", "web", &[], 0).await;
        let log = welcome["notices_id"].clone();
        assert!(log.is_string(), "{welcome}");
        let (mut ios, _) = self.device("ann", "ios", &[], 1).await;
        // One that keeps no log hears it as a broadcast.
        let mut old = Client::connect(self.install.address(1), &self.token("bob", &[])).await;
        let id = Uuid::now_v7();
        let new = json!({ "id": id, "title": "Down at 9", "body": "For ten minutes.",
            "audience": { "all": true }, "action": { "label": "Status", "url": "/status" }, "data": { "a": 1 } });
        let sent = self.send(new.clone()).await;
        assert_eq!((&sent["id"], &sent["conversation_id"]), (&json!(id), &log), "{sent}");
        let again = self.send(new.clone()).await;
        assert_eq!(again["id"], sent["id"]);
        let mut other = new;
        other["body"] = json!("Something else.");
        let (status, refused) = self.operate(Method::POST, "admin/notices", &other).await;
        assert_eq!((status, &refused["code"]), (409, &json!("conflict")), "{refused}");

        let live = web.expect_where("entry", |entry| entry["kind"] == "notice").await;
        let expected = json!({ "title": "Down at 9", "body": "For ten minutes.", "priority": "normal",
            "display": "user", "action": { "label": "Status", "url": "/status" }, "data": { "a": 1 } });
        assert_eq!((&live["content"], &live["client_id"]), (&expected, &json!(id)), "{live}");
        assert_eq!((&live["conversation_id"], &live["sender"]["type"]), (&log, &json!("operator")));
        let seq = live["seq"].as_u64().unwrap();
        assert_eq!(ios.expect_where("entry", |entry| entry["kind"] == "notice").await, live);
        let heard = old.expect("notice").await;
        assert_eq!((&heard["id"], &heard["content"]), (&json!(id), &expected), "{heard}");
        web.say(&json!({ "type": "ping" })).await;
        assert_eq!(web.expect("pong").await["notices"], seq);

        // Of two devices one shows it, and asked again it still does.
        let (mine, theirs) = (Uuid::now_v7(), Uuid::now_v7());
        let show = |client_id| json!({ "type": "show", "ref": "s", "client_id": client_id, "notice_id": id });
        web.say(&show(mine)).await;
        ios.say(&show(theirs)).await;
        let (one, two) = (web.expect("shown").await, ios.expect("shown").await);
        assert_ne!(one["first"], two["first"], "{one} {two}");
        web.say(&show(mine)).await;
        assert_eq!(web.expect("shown").await["first"], one["first"]);
        let path = format!("notices/{id}/read");
        let (status, read) =
            self.ask(&self.token("ann", &[]), Method::POST, &path, &Value::Null).await;
        assert_eq!((status, &read["first"]), (200, &json!(true)), "{read}");
        let told = ios.expect_where("notice_mark", |mark| mark["state"] == "read").await;
        assert_eq!(told["notice_id"], json!(id), "her other device is told");
        let inbox = self.inbox("ann", &[], "").await;
        assert_eq!((&inbox[0]["entry"], &inbox[0]["read"]), (&live, &json!(true)), "{inbox:?}");
        assert!(self.inbox("ann", &[], "unread=true").await.iter().all(|it| it["id"] != json!(id)));
        assert_eq!(self.inbox("bob", &[], "unread=true").await[0]["id"], json!(id));
        let counted =
            self.until("the cursor of ann", &json!(id), |it| it["counts"]["delivered"] == 1).await;
        let counts = [("shown", 1), ("read", 1), ("clicked", 0), ("dismissed", 0)];
        assert_counts(&counted["counts"], counts);
        assert_eq!(counted["state"], "sent", "{counted}");
        let path = format!("admin/notices/{id}/receipts?state=read");
        let (_, receipts) = self.operate(Method::GET, &path, &Value::Null).await;
        assert_eq!(receipts["receipts"][0]["user_id"], "ann", "{receipts}");

        // Who comes later gets it, and nobody has become a member of anything.
        let (mut late, welcome) = self.device("late", "web", &[], 1).await;
        assert_eq!(welcome["notices"], seq, "{welcome}");
        let caught_up = Self::catch_up(&mut late, &log, 0).await;
        assert_eq!(caught_up.last(), Some(&live));
        assert_eq!(Self::catch_up(&mut late, &log, seq).await, [] as [Value; 0]);
        let listed = self.side.get("ann", "/conversations").await;
        assert_eq!(listed["conversations"], json!([]));

        let path = format!("admin/notices/{id}");
        let (status, withdrawn) = self.operate(Method::DELETE, &path, &Value::Null).await;
        assert_eq!((status, &withdrawn["state"]), (200, &json!("withdrawn")), "{withdrawn}");
        let told = late.expect_where("entry", |entry| entry["kind"] == "delete").await;
        assert_eq!((&told["target"], &told["seq"]), (&json!(seq), &json!(seq + 1)), "{told}");
        let caught_up = Self::catch_up(&mut late, &log, seq - 1).await;
        let is_blank = |it: &Value| it["kind"] != "notice" || it["content"] == json!({});
        assert!(caught_up.iter().all(is_blank), "nobody reads it any more: {caught_up:?}");
        assert_eq!(caught_up.last().unwrap()["kind"], "delete", "{caught_up:?}");
        assert!(self.inbox("bob", &[], "").await.iter().all(|it| it["id"] != json!(id)));
    }

    /// To some: others get a blank entry, and their log has no gap.
    async fn to_some(&self) {
        let (mut web, welcome) = self.device("cleo", "web", &["vip"], 0).await;
        let log = welcome["notices_id"].clone();
        let (mut ios, _) = self.device("cleo", "ios", &[], 1).await;
        for (audience, is_for_web) in [
            (json!({ "device_types": ["ios"] }), false),
            (json!({ "roles": ["vip", "staff"] }), true),
            (json!({ "users": ["dan"] }), false),
        ] {
            let new = json!({ "body": "for some", "priority": "high", "audience": audience });
            let sent = self.send(new).await;
            let is_it = |entry: &Value| entry["client_id"] == sent["id"];
            let (of_web, of_ios) =
                (web.expect_where("entry", is_it).await, ios.expect_where("entry", is_it).await);
            let is_for_ios = audience.get("device_types").is_some();
            for (entry, is_for) in [(&of_web, is_for_web), (&of_ios, is_for_ios)] {
                assert_eq!(entry["content"]["body"] == "for some", is_for, "{audience} {entry}");
                assert!(is_for || entry["content"] == json!({}), "{entry}");
                assert!(!entry.to_string().contains("dan"), "whom it is for is nobody's business");
            }
            let seq = of_web["seq"].as_u64().unwrap();
            assert_eq!(Self::catch_up(&mut web, &log, seq - 1).await, [of_web]);
            assert_eq!(Self::catch_up(&mut ios, &log, seq - 1).await, [of_ios]);
            let show =
                json!({ "type": "show", "client_id": Uuid::now_v7(), "notice_id": sent["id"] });
            web.say(&show).await;
            let answer = web.expect_any(&["shown", "error"]).await;
            assert_eq!(answer["type"] == "shown", is_for_web, "{answer}");
        }
        assert_eq!(self.inbox("cleo", &["vip"], "device_type=web").await.len(), 1);
        assert_eq!(self.inbox("dan", &[], "").await.len(), 1);
    }

    /// Later, for a while, quietly, to a conversation, or not at all.
    async fn when_it_is_due(&self) {
        let (mut web, welcome) = self.device("eve", "web", &[], 0).await;
        let log = welcome["notices_id"].clone();
        let start = now_ms() + 700;
        let scheduled = self
            .send(json!({ "body": "later", "audience": { "all": true }, "starts_at": start,
                "expires_at": start + 1_500 }))
            .await;
        assert_eq!((&scheduled["state"], scheduled.get("seq")), (&json!("waiting"), None));
        let never = self
            .send(json!({ "body": "never", "audience": { "all": true }, "starts_at": start }))
            .await;
        let path = format!("admin/notices/{}", never["id"].as_str().unwrap());
        self.operate(Method::DELETE, &path, &Value::Null).await;
        let entry = web.expect_where("entry", |entry| entry["kind"] == "notice").await;
        assert_eq!((&entry["content"]["body"], now_ms() >= start), (&json!("later"), true));
        let seq = entry["seq"].as_u64().unwrap();
        self.until("its end", &scheduled["id"], |it| it["state"] == "expired").await;
        assert_eq!(Self::catch_up(&mut web, &log, seq - 1).await[0]["content"], json!({}));

        let low = self
            .send(json!({ "body": "quiet", "audience": { "all": true }, "priority": "low" }))
            .await;
        let low = self.until("it is in the log", &low["id"], |it| it["state"] == "sent").await;
        assert_eq!(low["seq"], seq + 1, "what was withdrawn before its time is in no log");
        let began = std::time::Instant::now();
        loop {
            web.say(&json!({ "type": "ping" })).await;
            let pong = web.expect_any(&["pong", "entry"]).await;
            assert_eq!(pong["type"], "pong", "a low notice is not pushed");
            if pong["notices"] == low["seq"] {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{pong}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(Self::catch_up(&mut web, &log, seq).await[0]["content"]["body"], "quiet");

        let new = json!({ "kind": "group", "title": "Crew", "members": ["fay"] });
        let (_, made) =
            self.ask(&self.token("eve", &[]), Method::POST, "conversations", &new).await;
        let (id, of) = (&made["id"], json!({ "conversation": made["id"] }));
        let sent = self.send(json!({ "body": "to the crew", "audience": of })).await;
        assert_eq!((&sent["targets"], &sent["conversation_id"]), (&json!(2), id), "{sent}");
        let entry = web.expect_where("entry", |entry| entry["kind"] == "notice").await;
        assert_eq!(
            (&entry["conversation_id"], &entry["content"]["body"]),
            (id, &json!("to the crew"))
        );
        self.until("it was received", &sent["id"], |it| it["counts"]["delivered"] == 1).await;

        for (wrong, status) in [
            (json!({ "body": "x", "audience": {} }), 400),
            (json!({ "body": "x", "audience": { "all": true, "roles": ["a"] } }), 400),
            (json!({ "body": "x", "audience": { "device_types": ["tv"] } }), 400),
            (json!({ "body": "x", "audience": { "conversation": Uuid::now_v7() } }), 404),
            (json!({ "body": "", "audience": { "all": true } }), 400),
            (json!({ "body": "x", "audience": { "all": true }, "expires_at": 5 }), 400),
            (json!({ "body": "x", "audience": { "all": true }, "starts_at": u64::MAX }), 400),
            (
                json!({ "body": "x", "audience": { "all": true }, "action": { "label": "x", "url": "javascript:1" } }),
                400,
            ),
        ] {
            let (answered, refused) = self.operate(Method::POST, "admin/notices", &wrong).await;
            assert_eq!(answered, status, "{wrong} {refused}");
        }
        let trial = json!({ "body": "x", "audience": { "users": ["a", "b"] }, "dry_run": true });
        let (status, counted) = self.operate(Method::POST, "admin/notices", &trial).await;
        assert_eq!((status, &counted["targets"]), (200, &json!(2)), "{counted}");
        let body = json!({ "body": "x", "audience": { "all": true } });
        let (status, _) =
            self.ask(&self.token("eve", &[]), Method::POST, "admin/notices", &body).await;
        assert_eq!(status, 403, "operators alone");
        let say = json!({ "type": "send", "ref": "x", "client_id": Uuid::now_v7(), "conversation_id": log,
            "kind": "text", "content": { "text": "x" } });
        web.say(&say).await;
        assert_eq!(web.answer_to("x").await["code"], "not_member");
    }
}

async fn notices_of(install: &Install) {
    for tenant in ["default", "acme"] {
        let place = Place::of(tenant, install);
        place.to_all().await;
        place.to_some().await;
        place.when_it_is_due().await;
    }
    // What one tenant was told is nothing to the other.
    let other = Place::of("beta", install);
    let (mut device, welcome) = other.device("ann", "web", &[], 0).await;
    assert!(welcome.get("notices").is_none_or(|head| head == 0), "{welcome}");
    assert_eq!(Place::catch_up(&mut device, &welcome["notices_id"], 0).await, [] as [Value; 0]);
    assert_eq!(other.inbox("ann", &[], "").await, [] as [Value; 0]);
}

/// So many users did it, in all and over all hours.
fn assert_counts(counts: &Value, expected: [(&str, u64); 4]) {
    let hours = counts["by_hour"].as_array().unwrap();
    for (mark, users) in expected {
        let of_hours: u64 = hours.iter().map(|hour| hour[mark].as_u64().unwrap()).sum();
        assert_eq!((&counts[mark], of_hours), (&json!(users), users), "{mark}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_reach_those_whom_they_are_for_in_a_cluster() {
    let install = Install::cluster("notices", &[]).await;
    notices_of(&install).await;
    install.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_reach_those_whom_they_are_for_in_the_all_in_one() {
    let install = Install::all_in_one("notices", &[]).await;
    notices_of(&install).await;
    install.stop().await;
}
