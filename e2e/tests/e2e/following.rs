//! Mentions and threads over every way in, on the cluster and the all-in-one, of two tenants.

use e2e::eventually::eventually;
use e2e::tenants::{Install, Side};
use e2e::ways::{Person, Request, WAYS, Way};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// First message, unread replies and newest reply of each thread that somebody follows.
async fn threads(person: &Person<'_>, query: &str) -> Vec<[u64; 3]> {
    let listed = person.get(&format!("/threads{query}")).await;
    let number = |value: &Value| value.as_u64().unwrap();
    let threads = listed["threads"].as_array().unwrap().iter();
    threads
        .map(|it| {
            assert_eq!(it["root"]["seq"], it["thread"], "{it}");
            [number(&it["thread"]), number(&it["unread"]), number(&it["last_reply"]["seq"])]
        })
        .collect()
}

async fn mentions(person: &Person<'_>, query: &str) -> Vec<(u64, bool)> {
    let listed = person.get(&format!("/me/mentions{query}")).await;
    let mentions = listed["mentions"].as_array().unwrap().iter();
    mentions
        .map(|it| (it["entry"]["seq"].as_u64().unwrap(), it["unread"].as_bool().unwrap()))
        .collect()
}

async fn mentions_and_threads(install: &Install, tenant: &'static str) {
    let side = Side::of(tenant, install);
    let mut ann = Person::of(&side, "ann", &json!({})).await;
    let mut bob = Person::of(&side, "bob", &json!({})).await;
    for way in WAYS {
        let id = ann.group(&["bob"]).await;
        let text = |more: Value| {
            let mut message = json!({ "content": { "text": "hi" } });
            message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            message
        };
        assert_eq!(ann.send(way, &id, &text(json!({ "mentions": ["bob"] }))).await, Ok(2));
        assert_eq!(ann.send(way, &id, &text(json!({ "mention_all": true }))).await, Ok(3));
        assert_eq!(bob.send(way, &id, &text(json!({ "thread": 2 }))).await, Ok(4));
        let in_both = json!({ "thread": 2, "also_in_main": true, "mentions": ["ann"] });
        assert_eq!(bob.send(way, &id, &text(in_both)).await, Ok(5));
        let is_it = |entry: &Value| entry["seq"] == 5 && entry["conversation_id"] == id.as_str();
        let heard = ann.expect("entry", is_it).await;
        assert_eq!((&heard["thread"], &heard["also_in_main"]), (&json!(2), &json!(true)));
        for (more, code) in [
            (json!({ "thread": 4 }), "invalid"),
            (json!({ "thread": 1 }), "not_found"),
            (json!({ "thread": 99 }), "not_found"),
            (json!({ "also_in_main": true }), "invalid"),
            (json!({ "mentions": ["eve"] }), "invalid"),
        ] {
            let refused = ann.send(way, &id, &text(more.clone())).await;
            assert_eq!(refused, Err(code.to_owned()), "{way:?} {more}");
        }
        let of_bob = bob.get(&format!("/conversations/{id}")).await;
        assert_eq!((&of_bob["unread"], &of_bob["unread_mentions"]), (&json!(2), &json!(2)));
        let of_ann = ann.get(&format!("/conversations/{id}")).await;
        assert_eq!((&of_ann["unread"], &of_ann["unread_mentions"]), (&json!(1), &json!(1)));
        assert_eq!(mentions(&bob, "?limit=2").await, [(3, true), (2, true)], "{way:?}");
        assert_eq!(mentions(&ann, "?limit=1&unread=true").await, [(5, true)], "{way:?}");
        assert_eq!(threads(&ann, "?unread=true&limit=1").await, [[2, 2, 5]], "{way:?}");
        assert_eq!(threads(&bob, "?unread=true").await, [] as [[u64; 3]; 0], "{way:?}");
        let page = ann.get(&format!("/conversations/{id}/messages?thread=2&limit=1")).await;
        assert_eq!((&page["entries"][0]["seq"], &page["more"]), (&json!(5), &json!(true)));

        // Read, a thread and then the conversation, where there are frames.
        let read = json!({ "type": "read", "conversation_id": id, "seq": 5, "thread": 2 });
        let by = if way == Way::Rest { Way::Json } else { way };
        ann.tell(by, &read).await;
        let told = ann.expect("thread_read", |frame| frame["conversation_id"] == id.as_str()).await;
        assert_eq!((&told["thread"], &told["read_seq"]), (&json!(2), &json!(5)), "{told}");
        assert_eq!(threads(&ann, "?unread=true").await, [] as [[u64; 3]; 0], "{way:?}");
        // Followed, and not, by hand.
        let all = threads(&ann, "").await.len();
        for (value, count) in [(json!(false), all - 1), (Value::Null, all), (json!(true), all)] {
            let set = json!({ "type": "set", "what": "follow_thread", "conversation_id": id, "thread": 2,
                "value": value });
            let none = Request { method: Method::GET, path: String::new(), body: Value::Null };
            ann.say(by, &set, &none).await.unwrap();
            assert_eq!(threads(&ann, "").await.len(), count, "{way:?} {value}");
        }
        let of_ann = ann.get(&format!("/conversations/{id}")).await;
        assert_eq!(of_ann["unread"], 1, "the conversation is not read by that");
        ann.tell(by, &json!({ "type": "read", "conversation_id": id, "seq": 5 })).await;
        eventually("nothing is unread", PATIENCE, async || {
            let shown = ann.get(&format!("/conversations/{id}")).await;
            if shown["unread"] == 0 && shown["unread_mentions"] == 0 { Ok(()) } else { Err(shown) }
        })
        .await;
    }
}

#[tokio::test]
async fn mentions_and_threads_work_over_every_way_in_a_cluster() {
    let install = Install::cluster("following", &[]).await;
    for tenant in ["default", "acme"] {
        mentions_and_threads(&install, tenant).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn mentions_and_threads_work_over_every_way_in_the_all_in_one() {
    let install = Install::all_in_one("following", &[]).await;
    for tenant in ["default", "acme"] {
        mentions_and_threads(&install, tenant).await;
    }
    install.stop().await;
}
