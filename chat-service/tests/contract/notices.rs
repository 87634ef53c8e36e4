//! Notices: kept once, claimed by one, received and marked by users who are no members of anything by that.

use chat_service::domain::notice::{Audience, Notice, NoticeMark, Priority, Work};
use chat_service::store::contacts::{ContactsBound, ContactsOf};
use chat_service::store::notices::{MarkCounts, Marking, NoticeCounts, NoticeCursors};
use uuid::Uuid;

use super::*;
use tokio::task::JoinSet;

/// When the notices of these tests are sent.
const NOW: u64 = 1_000_000;
const HOUR_MS: u64 = 3_600_000;

fn log() -> ConversationKey {
    keyed(ConversationId::notices(TenantId::DEFAULT))
}

fn notice(body: &str) -> Notice {
    Notice {
        tenant: TenantId::DEFAULT,
        id: Uuid::now_v7(),
        conversation_id: log().id,
        seq: None,
        audience: Audience::All,
        content: format!(r#"{{"body":"{body}"}}"#),
        priority: Priority::Normal,
        created_by: name("operator"),
        created_at_ms: NOW,
        starts_at_ms: NOW,
        expires_at_ms: NOW + 1_000,
        withdrawn_at_ms: None,
        targets: Some(3),
        work: Work::Append,
        attempts: 0,
    }
}

/// Puts a notice into the log at its place, as the sender of notices does.
async fn sent(store: &Store, notice: &Notice, seq: u64) -> Notice {
    let mut row = entry(log().id, seq, "operator");
    (row.client_id, row.expires_at_ms) = (ClientId(notice.id), Some(notice.expires_at_ms));
    row.author.r#type = SenderType::Operator;
    message(&mut row).kind = MessageKind::Notice;
    let mut batch = only(vec![row]);
    if seq == 1 {
        batch.conversations.push(ConversationRow {
            key: log(),
            kind: ConversationKind::Notices,
            title: String::new(),
            created_at_ms: NOW,
        });
    }
    store.append(&batch).await.unwrap();
    store.did_notice(notice, Some(seq), Work::Nothing).await.unwrap();
    store.notice(notice.tenant, notice.id).await.unwrap().unwrap()
}

fn received(users: &[&str], delivered_seq: u64, read_seq: u64) -> NoticeCursors {
    let users = users.iter().map(|user| name(user)).collect();
    NoticeCursors { log: log(), delivered_seq, read_seq, users }
}

pub async fn a_notice_is_kept_once_and_claimed_by_one_until_the_claim_ends(store: Store) {
    let first = notice("first");
    assert_eq!(store.keep_notice(&first).await.unwrap(), None);
    let other = Notice { content: r#"{"body":"other"}"#.to_owned(), ..first.clone() };
    assert_eq!(store.keep_notice(&other).await.unwrap(), Some(first.clone()), "it stays");
    let mut later = notice("later");
    later.starts_at_ms = NOW + 500;
    later.expires_at_ms = NOW + 5_000;
    store.keep_notice(&later).await.unwrap();

    let mut claims = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        claims.spawn(async move { store.claim_notices(NOW, NOW + 100, 10).await.unwrap() });
    }
    let mut claimed = Vec::new();
    while let Some(claim) = claims.join_next().await {
        claimed.extend(claim.unwrap());
    }
    let expected = Notice { attempts: 1, ..first.clone() };
    assert_eq!(claimed, [expected], "what is not due is nobody's");
    assert_eq!(store.claim_notices(NOW + 99, NOW + 200, 10).await.unwrap(), []);
    let again = store.claim_notices(NOW + 100, NOW + 200, 10).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 2), "the process that claimed it is gone");

    let stored = sent(&store, &again[0], 1).await;
    assert_eq!((stored.seq, stored.work), (Some(1), Work::Nothing));
    let ids: Vec<_> = store.claim_notices(NOW + 600, NOW + 700, 10).await.unwrap();
    assert_eq!(ids.iter().map(|it| it.id).collect::<Vec<_>>(), [later.id]);

    let withdrawn =
        store.withdraw_notice(first.tenant, first.id, NOW + 800).await.unwrap().unwrap();
    assert_eq!((withdrawn.withdrawn_at_ms, withdrawn.work), (Some(NOW + 800), Work::Withdraw));
    let again = store.withdraw_notice(first.tenant, first.id, NOW + 900).await.unwrap().unwrap();
    assert_eq!(again.withdrawn_at_ms, Some(NOW + 800), "once");
    assert_eq!(store.withdraw_notice(first.tenant, Uuid::now_v7(), NOW).await.unwrap(), None);
    // What was begun before it was withdrawn ends after it.
    store.did_notice(&later, Some(2), Work::Nothing).await.unwrap();
    store
        .did_notice(&Notice { work: Work::Push, ..first.clone() }, Some(1), Work::Nothing)
        .await
        .unwrap();
    let kept = store.notice(first.tenant, first.id).await.unwrap().unwrap();
    assert_eq!((kept.seq, kept.work), (Some(1), Work::Withdraw));
}

pub async fn notices_are_listed_and_those_that_are_over_stand_no_more(store: Store) {
    let mut all = Vec::new();
    for place in 1..=5_u64 {
        let mut one = notice(&format!("number {place}"));
        (one.created_at_ms, one.expires_at_ms) = (NOW + place, NOW + place * 100);
        store.keep_notice(&one).await.unwrap();
        all.push(sent(&store, &one, place).await);
    }
    store.withdraw_notice(TenantId::DEFAULT, all[3].id, NOW).await.unwrap();
    let standing = store.standing_notices(log(), NOW + 200, 10).await.unwrap();
    assert_eq!(standing.iter().map(|it| it.seq.unwrap()).collect::<Vec<_>>(), [5, 3]);
    assert_eq!(store.standing_notices(log(), NOW, 1).await.unwrap()[0].seq, Some(5));
    assert_eq!(store.notices_head(log()).await.unwrap(), 5);
    assert_eq!(store.notices_head(keyed(ConversationId::generate())).await.unwrap(), 0);

    let (mut listed, mut before) = (Vec::new(), None);
    loop {
        let page = store.notices(TenantId::DEFAULT, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.created_at_ms, last.id));
        listed.extend(page.into_iter().map(|it| it.id));
    }
    assert_eq!(listed, all.iter().rev().map(|it| it.id).collect::<Vec<_>>());
    let found = store.notices_of(TenantId::DEFAULT, &[all[0].id, Uuid::now_v7()]).await.unwrap();
    assert_eq!((found.len(), &found[&all[0].id]), (1, &all[0]));
    assert!(store.notices_of(TenantId::DEFAULT, &[]).await.unwrap().is_empty());
}

pub async fn cursors_in_notices_make_nobody_a_member_and_count_exactly(store: Store) {
    let me = "notice-me";
    store.append(&group(ConversationId::generate(), &[me, "notice-friend"])).await.unwrap();
    let (one, two) = (notice("one"), notice("two"));
    for (kept, seq) in [(&one, 1), (&two, 2)] {
        store.keep_notice(kept).await.unwrap();
        sent(&store, kept, seq).await;
    }
    let strangers: Vec<String> = (0..10_000).map(|n| format!("notice-stranger-{n:05}")).collect();
    for users in strangers.chunks(1_000) {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        store.advance_notice_cursors(&received(&users, 1, 0), NOW).await.unwrap();
    }
    let cursor = received(&[me, "notice-friend"], 9, 0);
    store.advance_notice_cursors(&cursor, NOW).await.unwrap();
    store.advance_notice_cursors(&received(&[me, me], 1, 2), NOW).await.unwrap();
    assert_eq!(store.notices_read(&user(me)).await.unwrap(), 2);
    assert_eq!(store.notices_read(&user("notice-friend")).await.unwrap(), 0);

    // Who comes after the first has ended is sent the second alone.
    let mut long = notice("three");
    long.expires_at_ms = NOW + 1_000_000;
    store.keep_notice(&long).await.unwrap();
    sent(&store, &long, 3).await;
    store.advance_notice_cursors(&received(&["notice-late"], 3, 0), NOW + 500_000).await.unwrap();
    let delivered = async |of: &Notice| {
        let kept = store.notice(of.tenant, of.id).await.unwrap().unwrap();
        store.notice_counts(&kept).await.unwrap().delivered
    };
    assert_eq!(
        (delivered(&one).await, delivered(&two).await, delivered(&long).await),
        (10_002, 2, 1)
    );

    let asked = ContactsOf { user_id: user(me), after: String::new() };
    let bound = ContactsBound { limit: 256, group_members: 512 };
    let contacts = store.contacts(&[asked], bound).await.unwrap().remove(0);
    assert_eq!(contacts.user_ids, [user("notice-friend")], "and no stranger");
    let listed = store
        .conversations_of(&user(me), chat_service::store::Listed::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(store.heads(&user(me)).await.unwrap().len(), 1);
    let none = store.heads(&user(&strangers[0])).await.unwrap();
    assert_eq!(none, []);
    let snapshot = store.load(&[log()]).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (snapshot.kind, snapshot.members.len(), snapshot.head),
        (ConversationKind::Notices, 0, 3)
    );
    let names = [name(me), name(&strangers[0])];
    assert_eq!(store.members_among(log(), &names).await.unwrap().members.len(), 0);
}

pub async fn of_many_who_show_a_notice_at_once_one_is_the_first(store: Store) {
    let kept = notice("shown once");
    store.keep_notice(&kept).await.unwrap();
    let kept = sent(&store, &kept, 1).await;
    let marking = |who: &str, mark| Marking {
        user_id: user(who),
        notice: kept.id,
        mark,
        client_id: ClientId::generate(),
        at_ms: NOW,
    };
    for who in ["ann", "bob"] {
        let mut devices = JoinSet::new();
        for device in 0..16 {
            let store = Arc::clone(&store);
            let marking = Marking { at_ms: NOW + device, ..marking(who, NoticeMark::Shown) };
            devices.spawn(async move { (store.mark_notice(&marking).await.unwrap(), marking) });
        }
        let mut first = Vec::new();
        while let Some(device) = devices.join_next().await {
            let (marked, marking) = device.unwrap();
            if marked.is_first {
                first.push((marking, marked.at_ms));
            }
        }
        assert_eq!(first.len(), 1, "{who}");
        let (marking, at_ms) = first.remove(0);
        assert_eq!(at_ms, marking.at_ms);
        let again = store.mark_notice(&Marking { at_ms: NOW + 99, ..marking }).await.unwrap();
        assert!(again.is_first && again.at_ms == at_ms, "asked again, the answer is the same");
    }
    store.mark_notice(&marking("ann", NoticeMark::Read)).await.unwrap();
    let late = Marking { at_ms: NOW + 2 * HOUR_MS, ..marking("ann", NoticeMark::Clicked) };
    store.mark_notice(&late).await.unwrap();
    let counts = store.notice_counts(&kept).await.unwrap();
    let hour = NOW - NOW % HOUR_MS;
    let expected = NoticeCounts {
        delivered: 0,
        marks: MarkCounts { shown: 2, read: 1, clicked: 1, dismissed: 0 },
        by_hour: vec![
            (hour, MarkCounts { shown: 2, read: 1, ..MarkCounts::default() }),
            (hour + 2 * HOUR_MS, MarkCounts { clicked: 1, ..MarkCounts::default() }),
        ],
    };
    assert_eq!(counts, expected);

    let of = async |mark, after: Option<(&UserName, NoticeMark)>, limit| {
        let found = store.notice_receipts(kept.tenant, kept.id, mark, after, limit).await.unwrap();
        found.iter().map(|it| (it.user.to_string(), it.mark)).collect::<Vec<_>>()
    };
    let shown = [("ann".to_owned(), NoticeMark::Shown), ("bob".to_owned(), NoticeMark::Shown)];
    assert_eq!(of(Some(NoticeMark::Shown), None, 10).await, shown);
    let ann = name("ann");
    let behind = of(None, Some((&ann, NoticeMark::Read)), 10).await;
    assert_eq!(behind, [("ann".to_owned(), NoticeMark::Clicked), shown[1].clone()]);
    let own = store.own_receipts(&user("bob"), &[kept.id]).await.unwrap();
    assert_eq!(own.iter().map(|(_, mark, _)| *mark).collect::<Vec<_>>(), [NoticeMark::Shown]);
}

pub async fn the_push_of_a_notice_is_sent_again_for_one_who_asks_and_not_soon_after(store: Store) {
    let first = notice("first");
    // Of another tenant, under the same id.
    let tenant = user("acme/x").tenant();
    let other =
        Notice { tenant, conversation_id: ConversationId::notices(tenant), ..first.clone() };
    for one in [&first, &other] {
        store.keep_notice(one).await.unwrap();
    }
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let (store, id) = (Arc::clone(&store), first.id);
        let ask =
            async move { store.ask_resend(TenantId::DEFAULT, id, NOW, 60_000).await.unwrap() };
        asking.spawn(ask);
    }
    let mut heard = 0;
    while let Some(asked) = asking.join_next().await {
        heard += usize::from(asked.unwrap());
    }
    assert_eq!(heard, 1, "of those who ask at once one is heard");
    assert!(!store.ask_resend(first.tenant, Uuid::now_v7(), NOW, 60_000).await.unwrap());
    let waiting = async || {
        let found = store.resends(NOW - 1, 10).await.unwrap();
        found.into_iter().map(|(it, at)| (it.tenant, it.id, at)).collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, [(first.tenant, first.id, NOW)]);
    assert!(store.resends(NOW, 10).await.unwrap().is_empty(), "it was asked too long ago");
    assert!(store.ask_resend(tenant, other.id, NOW + 1, 60_000).await.unwrap());
    store.did_resend(first.tenant, first.id, NOW).await.unwrap();
    assert_eq!(
        waiting().await,
        [(tenant, other.id, NOW + 1)],
        "the tenants have nothing in common"
    );

    let ask = async |now| store.ask_resend(first.tenant, first.id, now, 60_000).await.unwrap();
    assert!(!ask(NOW + 59_999).await, "too soon");
    assert!(ask(NOW + 60_000).await);
    store.did_resend(first.tenant, first.id, NOW).await.unwrap();
    assert_eq!(waiting().await.len(), 2, "what was asked meanwhile is not done");
    assert!(ask(NOW).await, "a time that lies ahead is of a clock that was wrong");
    let gone = store.withdraw_notice(first.tenant, first.id, NOW).await.unwrap().unwrap();
    assert!(gone.is_over(NOW), "who sends it looks at that");
}

pub async fn who_did_something_with_a_notice_is_told_apart_from_who_did_not(store: Store) {
    let (one, other) = (notice("one"), notice("other"));
    for it in [&one, &other] {
        store.keep_notice(it).await.unwrap();
    }
    let mark = async |who: &str, notice: &Notice, mark| {
        let marking = Marking {
            user_id: user(who),
            notice: notice.id,
            mark,
            client_id: ClientId(Uuid::now_v7()),
            at_ms: NOW,
        };
        store.mark_notice(&marking).await.unwrap();
    };
    mark("nm-ann", &one, NoticeMark::Shown).await;
    mark("nm-ann", &one, NoticeMark::Read).await;
    mark("nm-bob", &other, NoticeMark::Shown).await;
    mark("acme/nm-cleo", &one, NoticeMark::Shown).await;
    let names = ["nm-ann", "nm-bob", "nm-cleo"].map(name);
    let marked = store.notice_marked(one.tenant, one.id, &names).await.unwrap();
    assert_eq!(marked.into_iter().collect::<Vec<_>>(), [name("nm-ann")]);
    assert!(store.notice_marked(one.tenant, one.id, &names[1..]).await.unwrap().is_empty());
    assert!(store.notice_marked(one.tenant, one.id, &[]).await.unwrap().is_empty());
}
