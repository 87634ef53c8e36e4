//! Several applications in one install: users of equal names, devices and ids see nothing of each other, and each has
//! limits and pages of its own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use e2e::all_in_one::serve_with;
use e2e::client::{Client, Heard};
use e2e::eventually::eventually;
use e2e::second_tenant::{self, Second};
use e2e::tenants::{Install, Side, TENANTS, token_of};
use e2e::token::{SECRET, token};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::header;
use uuid::Uuid;

/// What is the same in every tenant.
struct Shared {
    client_ids: Vec<Uuid>,
    group: Uuid,
    call: Uuid,
    broadcast: Uuid,
}

/// Says one frame after the other until the other hears something of this type.
async fn until_heard(
    from: &mut Client,
    frames: impl Iterator<Item = Value>,
    to: &mut Client,
    kind: &str,
) -> Value {
    for frame in frames.take(20) {
        from.say(&frame).await;
        if let Ok(heard) = tokio::time::timeout(Duration::from_secs(3), to.expect(kind)).await {
            return heard;
        }
    }
    panic!("no `{kind}` is heard");
}

/// A whole life of a tenant: direct messages, a group, receipts, a call, presence, lists, an operator. All that its
/// users see is its own. Answers the ids of both conversations.
async fn live(side: &Side<'_>, shared: &Shared) -> [String; 2] {
    let tenant = side.tenant;
    let text = |n: usize| format!("{tenant} says {n}");
    let mut bob = side.connect("bob", "phone", 1).await;
    let mut ann = side.connect("ann", "phone", 0).await;
    let mut direct = String::new();
    for (n, client_id) in shared.client_ids.iter().enumerate() {
        let reference = n.to_string();
        ann.say(&json!({ "type": "send", "ref": reference, "client_id": client_id, "to": "bob",
            "mentions": ["bob"], "content": { "text": text(n) } }))
            .await;
        let sent = ann.answer_to(&reference).await;
        assert_eq!((&sent["type"], &sent["seq"]), (&json!("sent"), &json!(n + 1)), "{sent}");
        let entry = bob.expect("entry").await;
        assert_eq!(entry["content"]["text"], text(n), "{entry}");
        assert_eq!((&entry["sender"]["id"], &entry["mentions"]), (&json!("ann"), &json!(["bob"])));
        assert_eq!(entry["sender"]["name"], format!("ann of {tenant}"));
        entry["conversation_id"].as_str().unwrap().clone_into(&mut direct);
    }
    // What is not stored may get lost on a busy machine: it is said again.
    let reads = (1..=shared.client_ids.len())
        .map(|seq| json!({ "type": "read", "conversation_id": direct, "seq": seq }));
    let receipt = until_heard(&mut bob, reads, &mut ann, "receipt").await;
    assert_eq!((&receipt["user_id"], &receipt["conversation_id"]), (&json!("bob"), &json!(direct)));
    let typing = json!({ "type": "typing", "conversation_id": direct, "on": true });
    let typing = until_heard(&mut bob, std::iter::repeat(typing), &mut ann, "typing").await;
    assert_eq!(typing["user_id"], "bob", "{typing}");
    let ring = json!({ "type": "signal", "to": "bob", "call_id": shared.call, "kind": "ring", "data": tenant });
    let signal = until_heard(&mut ann, std::iter::repeat(ring), &mut bob, "signal").await;
    assert_eq!((&signal["from"], &signal["data"]), (&json!("ann"), &json!(tenant)), "{signal}");

    let token = token_of(tenant, "ann", &json!({}));
    let group = json!({ "kind": "group", "title": format!("of {tenant}"), "members": ["bob", "cleo"],
        "client_id": shared.group });
    let (status, group) = side.ask(&token, Method::POST, "/conversations", &group).await;
    assert_eq!((status, &group["title"]), (201, &json!(format!("of {tenant}"))), "{group}");
    let group = group["id"].as_str().unwrap().to_owned();
    bob.expect_where("entry", |it| it["conversation_id"] == group.as_str()).await;
    lists_show_its_own(side, &direct, &group, &text).await;
    operators_see_their_own(side, &direct, shared.client_ids[0]).await;

    let say = json!({ "id": shared.broadcast, "content": { "of": tenant } });
    let (status, body) = side.ask(&side.operator(), Method::POST, "/admin/broadcast", &say).await;
    assert_eq!(status, 202, "{body}");
    for client in [&mut ann, &mut bob] {
        let notice = client.expect("notice").await;
        assert_eq!(notice["content"]["of"], tenant, "{notice}");
    }
    // A device that comes later has all of it, and nothing else.
    let mut tablet = side.connect("bob", "tablet", 0).await;
    tablet.say(&json!({ "type": "sync", "ref": "all", "cursors": {} })).await;
    let mut seen = BTreeSet::new();
    loop {
        let frame = tablet.expect_any(&["sync_page", "synced"]).await;
        if frame["type"] == "synced" {
            assert_eq!(frame["conversations"], 2, "{frame}");
            break;
        }
        seen.insert(frame["conversation_id"].as_str().unwrap().to_owned());
        for entry in frame["entries"].as_array().unwrap() {
            let said = entry["content"]["text"].as_str();
            assert!(said.is_none_or(|said| said.starts_with(tenant)), "{entry}");
        }
    }
    assert_eq!(seen, BTreeSet::from([direct.clone(), group.clone()]));
    // Nobody has heard anything of others meanwhile, and no device was replaced.
    for client in [&mut ann, &mut bob, &mut tablet] {
        client.say(&json!({ "type": "ping" })).await;
        loop {
            match client.hear().await {
                Heard::Frame(frame) if frame["type"] == "pong" => break,
                Heard::Frame(frame) => assert!(is_of(tenant, &frame), "{tenant}: {frame}"),
                Heard::Closed(code, reason) => panic!("{tenant}: {code} {reason}"),
            }
        }
    }
    [direct, group]
}

/// No word of another tenant in it.
fn is_of(tenant: &str, frame: &Value) -> bool {
    let text = frame.to_string();
    TENANTS.iter().all(|other| {
        *other == tenant
            || !text.contains(&format!("{other} ")) && !text.contains(&format!("\"{other}\""))
    })
}

async fn lists_show_its_own(
    side: &Side<'_>,
    direct: &str,
    group: &str,
    text: &impl Fn(usize) -> String,
) {
    let list = side.get("ann", "/conversations?include=presence").await;
    let conversations = list["conversations"].as_array().unwrap();
    let ids: BTreeSet<_> = conversations.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, BTreeSet::from([direct, group]), "{list}");
    let page = side.get("bob", &format!("/conversations/{direct}/messages")).await;
    for (n, entry) in page["entries"].as_array().unwrap().iter().enumerate() {
        assert_eq!(entry["content"]["text"], text(n));
    }
    let members = side.get("ann", &format!("/conversations/{group}/members?limit=2")).await;
    let names = |page: &Value| -> Vec<String> {
        page["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["user_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&members), ["ann", "bob"], "{members}");
    let next = members["next"].as_str().unwrap();
    let path = format!("/conversations/{group}/members?limit=2&after={next}");
    let rest = side.get("ann", &path).await;
    assert_eq!(names(&rest), ["cleo"], "{rest}");
    // A profile is reported beside the messages.
    let own = format!("bob of {}", side.tenant);
    eventually("the profile is known", Duration::from_secs(20), async || {
        let found = side.get("ann", "/users?prefix=bob").await;
        let is_own = found["users"].as_array().unwrap().iter().all(|it| it["name"] == own.as_str());
        let is_there =
            found["users"][0]["id"] == "bob" && found["users"].as_array().unwrap().len() == 1;
        if is_there && is_own { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    let presence = side.get("ann", "/presence?ids=bob,cleo").await;
    assert_eq!(presence["statuses"][0]["user_id"], "bob", "{presence}");
    assert_eq!(presence["statuses"][0]["devices"], 1, "one device of this tenant: {presence}");
    assert_eq!(presence["statuses"][1]["status"], "offline", "{presence}");
    let sessions = side.get("bob", "/sessions").await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");
}

async fn operators_see_their_own(side: &Side<'_>, direct: &str, client_id: Uuid) {
    let operator = side.operator();
    let get = async |path: String| side.ask(&operator, Method::GET, &path, &Value::Null).await;
    let (status, listed) = get("/admin/connections?limit=1".to_owned()).await;
    assert_eq!(status, 200, "{listed}");
    let mut users: Vec<_> = vec![listed["connections"][0]["user_id"].clone()];
    let mut next = listed["next"].as_str().unwrap().to_owned();
    while !next.is_empty() {
        let (_, listed) = get(format!("/admin/connections?limit=1&after={next}")).await;
        users.extend(
            listed["connections"].as_array().unwrap().iter().map(|it| it["user_id"].clone()),
        );
        listed["next"].as_str().unwrap().clone_into(&mut next);
    }
    assert_eq!(users, ["ann", "bob"], "one connection of each is of this tenant");
    for message in [format!("{direct}:1"), client_id.to_string()] {
        let (status, explained) = get(format!("/admin/explain?message={message}")).await;
        assert_eq!((status, &explained["sender"]), (200, &json!("ann")), "{explained}");
        assert_eq!(explained["conversation_id"], direct);
        let members: Vec<_> = explained["members"].as_array().unwrap().iter().collect();
        assert_eq!(members.iter().map(|it| &it["user_id"]).collect::<Vec<_>>(), ["ann", "bob"]);
        assert!(
            members.iter().all(|it| it["devices"].as_array().unwrap().len() == 1),
            "{explained}"
        );
    }
    let (status, _) = get("/admin/stats".to_owned()).await;
    assert_eq!(status, if side.tenant == "default" { 200 } else { 403 }, "{}", side.tenant);
}

async fn all_live_at_once(install: &Install) {
    let shared = Shared {
        client_ids: (0..20).map(|_| Uuid::now_v7()).collect(),
        group: Uuid::now_v7(),
        call: Uuid::now_v7(),
        broadcast: Uuid::now_v7(),
    };
    let sides = TENANTS.map(|tenant| Side::of(tenant, install));
    let [one, two, three] = &sides;
    let (one, two, three) =
        tokio::join!(live(one, &shared), live(two, &shared), live(three, &shared));
    let ids: BTreeSet<String> = [one, two, three].into_iter().flatten().collect();
    assert_eq!(ids.len(), 6, "equal names and client ids make different conversations: {ids:?}");
}

#[tokio::test]
async fn equal_names_and_ids_of_several_tenants_live_beside_each_other_in_a_cluster() {
    let install = Install::cluster("tenants", &[]).await;
    Box::pin(all_live_at_once(&install)).await;
    install.stop().await;
}

#[tokio::test]
async fn equal_names_and_ids_of_several_tenants_live_beside_each_other_in_one_process() {
    let install = Install::all_in_one("tenants-alone", &[]).await;
    Box::pin(all_live_at_once(&install)).await;
    install.stop().await;
}

#[tokio::test]
async fn limits_and_origins_of_a_tenant_are_its_own() {
    let limits =
        json!({ "connections": 2, "messages_per_second": 3, "origins": ["https://acme.example"] });
    let install = Install::all_in_one("tenant-limits", &[("acme", limits)]).await;
    let address = install.address(0);
    let (acme, beta) = (Side::of("acme", &install), Side::of("beta", &install));
    let mut ann = acme.connect("ann", "phone", 0).await;
    let bob = acme.connect("bob", "phone", 0).await;
    let token = token_of("acme", "cleo", &json!({}));
    let refused = Client::open(address, &format!("/ws?token={token}")).await.expect_close().await;
    assert_eq!(
        (refused.0, refused.1.starts_with("tenant_connections")),
        (4029, true),
        "{refused:?}"
    );
    let stream = beta.http.get(format!("http://{address}/sse?token={token}")).send().await.unwrap();
    let (status, body) = (stream.status().as_u16(), stream.text().await.unwrap());
    assert!(status == 503 && body.contains("tenant_connections"), "{status} {body}");
    beta.connect("cleo", "phone", 0).await.close().await;
    bob.close().await;
    eventually("the place is free again", Duration::from_secs(20), async || {
        let path = format!("/ws?token={token}");
        match Client::open(address, &path).await.hear().await {
            Heard::Frame(frame) if frame["type"] == "welcome" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let mut limits = BTreeSet::new();
    for n in 0..8 {
        ann.send_to("bob", &n.to_string()).await;
        let answer = ann.answer_to(&n.to_string()).await;
        if answer["type"] == "error" {
            assert_eq!(
                (&answer["code"], &answer["stored"]),
                (&json!("rate_limited"), &json!("no"))
            );
            assert!(
                answer["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 1_000),
                "{answer}"
            );
            limits.insert(answer["limit"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(limits, BTreeSet::from(["tenant_messages".to_owned()]));

    let origin = [(header::ORIGIN, "https://acme.example")];
    for (tenant, code) in [("acme", 0), ("beta", 4003), ("default", 4003)] {
        let token = token_of(tenant, "ann", &json!({}));
        let path = format!("/ws?token={token}");
        let opened = Client::open_from(Ipv4Addr::LOCALHOST, address, &path, &origin).await;
        match opened.unwrap().hear().await {
            Heard::Frame(frame) => assert_eq!((frame["type"].as_str(), code), (Some("welcome"), 0)),
            Heard::Closed(closed, reason) => assert_eq!(closed, code, "{tenant}: {reason}"),
        }
        let me = format!("http://{address}/api/v1/me");
        let asked = beta.http.get(me).bearer_auth(&token).header("origin", origin[0].1);
        let status = asked.send().await.unwrap().status().as_u16();
        assert_eq!(status, if code == 0 { 200 } else { 403 }, "{tenant}");
    }
    install.stop().await;
}

/// What `make test-tenants` does beside every test.
#[tokio::test]
async fn what_is_said_again_for_a_second_tenant_is_stored_there_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let list = second_tenant::list();
    let settings = [("TIDINGS__TENANTS", list.as_str()), ("TIDINGS__AUTH__HS256_SECRET", SECRET)];
    let mut server = serve_with("second", folder.path(), "127.0.0.1:0", &settings).await;
    let address = server.address("http").to_owned();
    let path = |user| format!("/ws?token={}&device=phone", token(user));
    let mut ann = Client::open(&address, &path("ann")).await;
    ann.expect("welcome").await;
    let second = Second::open_anyway(&address, &path("ann")).await.expect("it is let in");
    let frame = json!({ "type": "send", "client_id": Uuid::now_v7(), "to": "bob",
        "content": { "text": "hello" } });
    second.say(&Message::text(frame.to_string())).await;
    let stored = || async {
        let answer = reqwest::Client::new()
            .get(format!("http://{address}/api/v1/conversations"))
            .bearer_auth(token_of("second", "bob", &json!({})))
            .send()
            .await
            .unwrap();
        let page: Value = answer.json().await.unwrap();
        let said = page["conversations"][0]["last_entry"]["content"]["text"].clone();
        said.as_str().map(str::to_owned).ok_or(page)
    };
    let said = eventually("it is stored", Duration::from_secs(10), stored).await;
    assert!(said.starts_with("hello") && said != "hello", "{said}");
    ann.say(&json!({ "type": "sync", "ref": "all", "cursors": {} })).await;
    assert_eq!(ann.expect("synced").await["conversations"], 0);
    assert!(server.terminate(Duration::from_secs(30)).await.success());
}
