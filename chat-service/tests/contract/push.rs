//! What offline push stores.

use chat_service::domain::entry::{CursorRow, Target, TargetKey};
use chat_service::store::push::{
    Candidate, DeadPush, Of, PushContent, PushDevice, PushRetry, PushSent,
};
use proto::bus;
use proto::bus::operation::Action;
use proto::id::{ClientId, ConversationId, ConversationKey, DeviceId, UserId};
use push::Provider;
use serde_json::json;
use uuid::Uuid;

use super::worker::{Rig, operation};
use super::{Store, entry, group, keyed, name, only, user};

fn device(who: &str, device: &str, token: &str, seen_at_ms: u64) -> PushDevice {
    PushDevice {
        user_id: user(who),
        device_id: DeviceId::parse(device).unwrap(),
        provider: Provider::Fcm,
        token: token.to_owned(),
        token_sha256: format!("sha256 of {token}"),
        app: "app".to_owned(),
        locale: "de-CH".to_owned(),
        content: Some(PushContent::Sender),
        seen_at_ms,
    }
}

async fn devices(store: &Store, who: &str) -> Vec<String> {
    let found = store.push_devices(&[user(who)]).await.unwrap();
    found.iter().map(|device| device.device_id.as_str().to_owned()).collect()
}

pub async fn a_token_belongs_to_the_device_that_registered_it_last(store: Store) {
    let phone = device("push-ann", "phone", "t-1", 10);
    store.keep_push_device(&phone, 9).await.unwrap();
    let of_ann = store.push_devices(&[user("push-ann")]).await.unwrap();
    assert_eq!(of_ann, std::slice::from_ref(&phone));
    // Another provider has a name space of its own, another tenant too.
    let apns = PushDevice { provider: Provider::Apns, ..device("push-bob", "pad", "t-1", 11) };
    store.keep_push_device(&apns, 9).await.unwrap();
    let elsewhere = device("acme/push-ann", "phone", "t-1", 12);
    store.keep_push_device(&elsewhere, 9).await.unwrap();
    assert_eq!(devices(&store, "push-ann").await, ["phone"]);
    assert_eq!(devices(&store, "acme/push-ann").await, ["phone"]);
    // Somebody else signs in on the same phone.
    store.keep_push_device(&device("push-bob", "phone", "t-1", 13), 9).await.unwrap();
    assert!(devices(&store, "push-ann").await.is_empty());
    assert_eq!(devices(&store, "push-bob").await, ["pad", "phone"]);
    // Another token of the same device replaces the one before.
    let again = PushDevice { content: None, ..device("push-bob", "phone", "t-2", 14) };
    store.keep_push_device(&again, 9).await.unwrap();
    let found = store.push_devices(&[user("push-bob"), user("acme/push-ann")]).await.unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.contains(&again) && found.contains(&elsewhere));
}

pub async fn a_device_goes_with_its_user_its_bound_its_age_and_its_own_token_alone(store: Store) {
    for n in 0..5 {
        let one = device("push-cleo", &format!("d-{n}"), &format!("c-{n}"), 100 + n);
        store.keep_push_device(&one, 3).await.unwrap();
    }
    assert_eq!(devices(&store, "push-cleo").await, ["d-2", "d-3", "d-4"]);
    let gone = device("push-cleo", "d-4", "c-4", 104);
    let registered_since = device("push-cleo", "d-4", "c-9", 200);
    store.keep_push_device(&registered_since, 3).await.unwrap();
    assert!(!store.drop_dead_token(&gone, u64::MAX).await.unwrap(), "it has another token");
    assert!(!store.drop_dead_token(&registered_since, 199).await.unwrap(), "it is newer");
    assert!(store.drop_dead_token(&registered_since, 200).await.unwrap());
    assert_eq!(devices(&store, "push-cleo").await, ["d-2", "d-3"]);
    let id = DeviceId::parse("d-2").unwrap();
    assert!(store.drop_push_device(&user("push-cleo"), Some(&id)).await.unwrap());
    assert!(!store.drop_push_device(&user("push-cleo"), Some(&id)).await.unwrap());
    assert!(store.drop_push_device(&user("push-cleo"), None).await.unwrap());
    assert!(devices(&store, "push-cleo").await.is_empty());
    store.keep_push_device(&device("push-cleo", "old", "c-old", 1), 3).await.unwrap();
    assert!(store.forget_push_devices(2).await.unwrap() >= 1);
    assert!(devices(&store, "push-cleo").await.is_empty());
}

fn found(mut rows: Vec<Candidate>) -> Vec<String> {
    rows.sort_by(|one, other| one.user_id.cmp(&other.user_id));
    rows.iter().map(|row| row.user_id.as_str().to_owned()).collect()
}

pub async fn candidates_are_members_with_a_device_who_lack_the_entry(store: Store) {
    let id = ConversationId::generate();
    let members = ["pc-ann", "pc-bob", "pc-cleo", "pc-dan", "pc-eve"];
    store.append(&group(id, &members)).await.unwrap();
    store.append(&only(vec![entry(id, 2, "pc-ann"), entry(id, 3, "pc-ann")])).await.unwrap();
    for who in ["pc-ann", "pc-bob", "pc-cleo", "pc-dan"] {
        let token = format!("t-{who}");
        store.keep_push_device(&device(who, "phone", &token, 10), 9).await.unwrap();
    }
    let cursor = |who: &str, delivered_seq, read_seq| CursorRow {
        conversation_id: id,
        user_id: user(who),
        delivered_seq,
        read_seq,
    };
    store.advance_cursors(&[cursor("pc-bob", 3, 0), cursor("pc-cleo", 2, 1)]).await.unwrap();
    let key = keyed(id);
    let sent = PushSent { user_id: user("pc-cleo"), key, seq: 1, at_ms: 77 };
    store.keep_pushed(&[sent]).await.unwrap();
    let rows = store.push_candidates(&[(key, 3)]).await.unwrap();
    let cleo = rows.iter().find(|row| row.user_id == user("pc-cleo")).unwrap().clone();
    assert_eq!((cleo.delivered_seq, cleo.read_seq, cleo.from_seq), (2, 1, 1));
    assert_eq!((cleo.sent_seq, cleo.sent_at_ms), (1, 77));
    assert_eq!(found(rows), ["pc-ann", "pc-cleo", "pc-dan"], "bob has it, eve has no device");
    let named = [name("pc-dan"), name("pc-eve"), name("pc-stranger")];
    let rows = store.push_candidates_of(key, 3, Of::Named(&named), 9).await.unwrap();
    assert_eq!(found(rows), ["pc-dan"]);
    let first = store.push_candidates_of(key, 3, Of::After(None), 2).await.unwrap();
    assert_eq!(found(first), ["pc-ann", "pc-cleo"]);
    let after = name("pc-cleo");
    let rest = store.push_candidates_of(key, 3, Of::After(Some(&after)), 2).await.unwrap();
    assert_eq!(found(rest), ["pc-dan"]);
    let elsewhere = ConversationKey::new(user("acme/x").tenant(), id);
    assert!(store.push_candidates(&[(elsewhere, 3)]).await.unwrap().is_empty());

    let place = |rows: Vec<chat_service::store::push::PushPlace>| rows.into_iter().next().unwrap();
    let small = place(store.push_places(&[key, elsewhere], 5).await.unwrap());
    assert_eq!((small.key, small.title.as_str(), small.is_large), (key, "Crew", false));
    assert!(place(store.push_places(&[key], 4).await.unwrap()).is_large);

    let badges = store.push_badges(&[user("pc-ann"), user("pc-bob"), user("pc-dan")]).await;
    let mut badges = badges.unwrap();
    badges.sort();
    assert_eq!(
        badges,
        [(user("pc-bob"), 1), (user("pc-dan"), 1)],
        "of ann's own nothing is unread"
    );
    store.advance_cursors(&[cursor("pc-dan", 3, 3)]).await.unwrap();
    assert!(store.push_badges(&[user("pc-dan")]).await.unwrap().is_empty());
}

pub async fn what_was_told_only_grows_until_it_is_taken_back(store: Store) {
    let (one, other) = (ConversationId::generate(), ConversationId::generate());
    for id in [one, other] {
        store.append(&group(id, &["ps-ann", "ps-bob"])).await.unwrap();
        store.append(&only((2..=9).map(|seq| entry(id, seq, "ps-ann")).collect())).await.unwrap();
    }
    let sent = |id, seq| PushSent { user_id: user("ps-bob"), key: keyed(id), seq, at_ms: seq };
    store.keep_pushed(&[sent(one, 5), sent(one, 4), sent(other, 7)]).await.unwrap();
    store.keep_pushed(&[sent(one, 3), sent(other, 8)]).await.unwrap();
    store.keep_pushed(&[]).await.unwrap();
    let told = async || {
        let places = [
            (user("ps-bob"), keyed(one)),
            (user("ps-bob"), keyed(other)),
            (user("ps-ann"), keyed(one)),
        ];
        let mut told = store.pushed(&places).await.unwrap();
        told.sort_by_key(|sent| sent.seq);
        told
    };
    assert_eq!(told().await, [sent(one, 5), sent(other, 8)]);
    assert_eq!(store.pushed_for(keyed(one), 5).await.unwrap(), [sent(one, 5)]);
    assert!(store.pushed_for(keyed(one), 4).await.unwrap().is_empty());

    let read =
        CursorRow { conversation_id: one, user_id: user("ps-bob"), delivered_seq: 5, read_seq: 5 };
    store.advance_cursors(&[read]).await.unwrap();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (read, next) = store.pushed_and_read(after.as_ref(), 1).await.unwrap();
        all.extend(read.into_iter().filter(|sent| sent.user_id == user("ps-bob")));
        let Some(next) = next else { break };
        after = Some(next);
    }
    assert_eq!(all, [sent(one, 5)]);
    store.drop_pushed(&[sent(one, 5), sent(other, 7)]).await.unwrap();
    assert_eq!(told().await, [sent(other, 8)], "it was told of more meanwhile");
}

pub async fn pushes_are_tried_again_when_due_and_the_oldest_go(store: Store) {
    let retry = |n: u128, attempt, next_at_ms| PushRetry {
        id: Uuid::from_u128(n),
        user_id: user("pr-ann"),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::WebPush,
        note: "{}".to_owned(),
        attempt,
        reason: "503".to_owned(),
        made_at_ms: n as u64,
        next_at_ms,
    };
    let due = async |now_ms| {
        let due = store.due_push_retries(now_ms, u64::MAX >> 1, 99).await.unwrap();
        due.into_iter().filter(|it| it.user_id == user("pr-ann")).collect::<Vec<_>>()
    };
    for n in 1..=3 {
        store.keep_push_retry(&retry(n, 1, 10 * n as u64)).await.unwrap();
    }
    assert_eq!(due(20).await, [retry(1, 1, 10), retry(2, 1, 20)]);
    store.keep_push_retry(&retry(1, 2, 500)).await.unwrap();
    assert_eq!(due(20).await, [retry(2, 1, 20)]);
    store.drop_push_retry(user("pr-ann").tenant(), Uuid::from_u128(2)).await.unwrap();
    assert!(due(20).await.is_empty());
    assert!(store.trim_push_retries(1).await.unwrap() >= 1);
    assert_eq!(due(9_999).await, [retry(3, 1, 30)], "the newest stays");
    let by_wrong_clock = store.due_push_retries(5, 29, 99).await.unwrap();
    assert!(by_wrong_clock.contains(&retry(3, 1, 30)), "none waits for longer than it can have to");
    store.drop_push_retry(user("pr-ann").tenant(), Uuid::from_u128(3)).await.unwrap();
}

pub async fn given_up_pushes_are_listed_by_tenant_the_newest_first(store: Store) {
    let key = |who: &UserId| ConversationKey::new(who.tenant(), ConversationId(Uuid::from_u128(7)));
    let dead = |who: &str, n: u128| DeadPush {
        id: Uuid::from_u128(n),
        user_id: user(who),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::Webhook,
        key: key(&user(who)),
        seq: 5,
        attempts: 6,
        reason: "500".to_owned(),
        at_ms: 100 + n as u64 / 2,
    };
    for n in 1..=4 {
        store.keep_dead_push(&dead("dead-push/ann", n)).await.unwrap();
        store.keep_dead_push(&dead("dead-push/ann", n)).await.unwrap();
    }
    store.keep_dead_push(&dead("other-push/ann", 9)).await.unwrap();
    let tenant = user("dead-push/ann").tenant();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.dead_pushes(tenant, before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.at_ms, last.id));
        all.extend(page);
    }
    assert_eq!(all, [4, 3, 2, 1].map(|n| dead("dead-push/ann", n)));
    store.trim_dead_pushes(1).await.unwrap();
    let others = store.dead_pushes(user("other-push/ann").tenant(), None, 9).await.unwrap();
    assert_eq!(others, [dead("other-push/ann", 9)]);
}

pub async fn what_became_of_the_pushes_of_a_conversation_is_found(store: Store) {
    let (id, other) = (ConversationId::generate(), ConversationId::generate());
    let retry = |id: ConversationId| PushRetry {
        id: Uuid::now_v7(),
        user_id: user("px-ann"),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::Fcm,
        note: format!(r#"{{"kind":"message","conversation_id":"{}","seq":5}}"#, id.0),
        attempt: 1,
        reason: "503".to_owned(),
        made_at_ms: 1,
        next_at_ms: i64::MAX as u64,
    };
    let (one, another) = (retry(id), retry(other));
    for it in [&one, &another] {
        store.keep_push_retry(it).await.unwrap();
    }
    assert_eq!(store.push_retries_of(keyed(id)).await.unwrap(), std::slice::from_ref(&one));
    for it in [&one, &another] {
        store.drop_push_retry(it.user_id.tenant(), it.id).await.unwrap();
    }
    assert!(store.push_retries_of(keyed(id)).await.unwrap().is_empty());

    let dead = |id: ConversationId, seq| DeadPush {
        id: Uuid::now_v7(),
        user_id: user("px-ann"),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::Fcm,
        key: keyed(id),
        seq,
        attempts: 6,
        reason: "400".to_owned(),
        at_ms: 1,
    };
    let all = [dead(id, 7), dead(id, 4), dead(id, 5), dead(other, 5)];
    for it in &all {
        store.keep_dead_push(it).await.unwrap();
    }
    let found = store.dead_pushes_from(keyed(id), 5).await.unwrap();
    assert_eq!(found, [all[2].clone(), all[0].clone()], "of the entry and of later ones");
    assert!(store.dead_pushes_from(keyed(id), 8).await.unwrap().is_empty());
}

pub async fn everybody_with_a_device_may_be_told_of_a_notice(store: Store) {
    let tenant = user("x").tenant();
    let log = ConversationKey::new(tenant, ConversationId::notices(tenant));
    for who in ["pn-ann", "pn-bob", "pn-cleo", "acme/pn-dan"] {
        store.keep_push_device(&device(who, "phone", &format!("t-{who}"), 10), 9).await.unwrap();
    }
    store.keep_push_device(&device("pn-bob", "pad", "t-pad", 10), 9).await.unwrap();
    let sent = PushSent { user_id: user("pn-bob"), key: log, seq: 3, at_ms: 77 };
    store.keep_pushed(std::slice::from_ref(&sent)).await.unwrap();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.notice_candidates(log, after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.user_id.name());
        all.extend(page);
    }
    let bob = all.iter().find(|row| row.user_id == user("pn-bob")).unwrap().clone();
    assert_eq!((bob.key, bob.from_seq, bob.delivered_seq, bob.read_seq), (log, 1, 0, 0));
    assert_eq!((bob.sent_seq, bob.sent_at_ms), (3, 77));
    assert_eq!(found(all), ["pn-ann", "pn-bob", "pn-cleo"], "each once, and of the tenant alone");
    assert_eq!(store.pushed_for_notice(log, 3).await.unwrap(), [sent]);
    assert!(store.pushed_for_notice(log, 4).await.unwrap().is_empty());
}

pub async fn what_a_push_says_is_found_by_what_became_of_its_message(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob", "cleo"])).await.unwrap();
    let act = |action| operation(Some(at), ClientId::generate(), action);
    let content = |text: &str| json!({ "text": text }).to_string();
    let edit = |text: &str, mentions: &[&str]| {
        let mentions = mentions.iter().map(ToString::to_string).collect();
        let edit = bus::Edit { seq: 2, content: content(text), mentions, ..bus::Edit::default() };
        act(Action::Edit(edit))
    };
    let send = bus::Send {
        kind: "text".to_owned(),
        content: content("old"),
        mentions: vec!["bob".to_owned()],
        ..bus::Send::default()
    };
    rig.ask("ann", act(Action::Send(send))).await;
    rig.ask("ann", edit("new", &["bob", "cleo"])).await;
    let found = async |store: &Store| {
        let asked = TargetKey { conversation: keyed(at), seq: 2, with_edits: true };
        store.load_targets(&[asked]).await.unwrap().entries.remove(&(keyed(at), 2)).unwrap()
    };
    let target = found(&rig.store).await;
    assert_eq!(target.mentions, [name("bob")], "whom it named when it was written");
    assert_eq!(target.state.mentions, [name("bob"), name("cleo")]);
    let present = |target: &Target| target.state.content.as_ref().map(|it| it.as_str().to_owned());
    assert_eq!((present(&target), target.edits), (Some(content("new")), vec![3]));
    rig.ask("ann", edit("newest", &[])).await;
    assert_eq!(present(&found(&rig.store).await), Some(content("newest")));
    let edits = rig.store.edits(keyed(at), 2, 100).await.unwrap();
    assert_eq!(edits.iter().map(|it| it.entry.seq).collect::<Vec<_>>(), [3, 4]);
    assert!(edits[0].entry.body.content().contains("cleo"), "whom each of them names");
    let delete = bus::Delete { seq: 2, ..bus::Delete::default() };
    rig.ask("ann", act(Action::Delete(delete))).await;
    let gone = found(&rig.store).await;
    assert!(gone.is_blank && gone.state.gone.is_some() && present(&gone).is_none());
    assert_eq!(gone.edits, [3, 4], "what was told of them is taken back, too");
}
