//! Presses of a bot's cards over every way in, on the cluster and the all-in-one, of two tenants.

use e2e::tenants::{Install, Side};
use e2e::ways::{Person, Request, WAYS};
use reqwest::Method;
use serde_json::{Value, json};

async fn presses(install: &Install, tenant: &'static str) {
    let side = Side::of(tenant, install);
    let mut ann = Person::of(&side, "ann", &json!({})).await;
    let mut bot = Person::of(&side, "lunch-bot", &json!({ "roles": ["bot"] })).await;
    let mut eve = Person::of(&side, "eve", &json!({})).await;
    let id = ann.group(&["lunch-bot"]).await;
    let actions =
        json!([{ "id": "yes", "label": "Yes", "value": "y" }, { "id": "later", "label": "Later" }]);
    let card = json!({ "kind": "card", "content": { "fallback": "Lunch?",
        "card": { "title": "Lunch?", "actions": actions } } });
    let seq = bot.send(WAYS[0], &id, &card).await.unwrap();
    for (way, of_log) in WAYS.into_iter().zip(1..) {
        let (action_id, value) = if of_log % 2 == 0 { ("later", "at two") } else { ("yes", "y") };
        let press = |bot: &str, action_id: &str| {
            let body = json!({ "bot": bot, "action_id": action_id, "value": value });
            let mut frame = body.clone();
            frame["type"] = json!("act");
            frame["conversation_id"] = json!(id);
            frame["seq"] = json!(seq);
            let path = format!("/conversations/{id}/messages/{seq}/act");
            (frame, Request { method: Method::POST, path, body })
        };
        let (frame, request) = press("lunch-bot", action_id);
        // The answer is about the card: the log of the bot is the bot's.
        assert_eq!(ann.say(way, &frame, &request).await, Ok(seq), "{way:?}");
        let heard =
            bot.expect("entry", |entry| entry["kind"] == "act" && entry["seq"] == of_log).await;
        let expected = json!({ "conversation_id": id, "seq": seq, "action_id": action_id, "value": value,
            "user": "ann" });
        assert_eq!(
            (&heard["content"], &heard["sender"]["id"]),
            (&expected, &json!("ann")),
            "{way:?}"
        );
        let refused = eve.say(way, &frame, &request).await;
        assert_eq!(refused, Err("not_found".to_owned()), "{way:?}");
        for (bot, action_id, code) in [("lunch-bot", "no", "invalid"), ("ann", "yes", "not_found")]
        {
            let (frame, request) = press(bot, action_id);
            let refused = ann.say(way, &frame, &request).await;
            assert_eq!(refused, Err(code.to_owned()), "{way:?} {bot} {action_id}");
        }
    }
    // It is the bot's alone, also where it is asked for.
    let listed = ann.get("/conversations").await;
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 1, "{listed}");
    let (status, _) = ann
        .ask(Method::POST, &format!("/conversations/{id}/messages/{seq}/act"), &Value::Null)
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn cards_are_pressed_over_every_way_in_a_cluster() {
    let install = Install::cluster("acts", &[]).await;
    for tenant in ["default", "acme"] {
        presses(&install, tenant).await;
    }
    install.stop().await;
}

#[tokio::test]
async fn cards_are_pressed_over_every_way_in_the_all_in_one() {
    let install = Install::all_in_one("acts", &[]).await;
    for tenant in ["default", "acme"] {
        presses(&install, tenant).await;
    }
    install.stop().await;
}
