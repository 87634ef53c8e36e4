//! Walks through logs and lists, over the gRPC service: each thing once, whatever its size and whatever is
//! appended meanwhile.

use std::collections::BTreeSet;

use chat_service::config::QueryConfig;
use chat_service::domain::entry::{MemberRow, Role};
use chat_service::domain::walk::ListWalk;
use chat_service::queries::ChatQueries;
use chat_service::store::{AppendBatch, Listed, Page, Room};
use proto::chat::chat_server::Chat;
use proto::chat::{
    GetConversationRequest, ListConversationsReply, ListConversationsRequest, ListMembersRequest,
    ReadEntriesReply, ReadEntriesRequest,
};
use proto::id::{ClientId, ConversationId};
use tonic::Request;

use super::{Store, entry, group, keyed, only, room, user};

/// Numbers that look random and are the same in each run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Members up to which `queries` says that receipts are told.
pub const RECEIPT_MEMBERS: usize = 3;

pub fn queries(store: &Store, page_bytes: usize) -> ChatQueries {
    ChatQueries::new(
        store.clone(),
        QueryConfig { page_bytes, ..QueryConfig::default() },
        RECEIPT_MEMBERS,
    )
}

pub fn seq_of(json: &[u8]) -> u64 {
    serde_json::from_slice::<serde_json::Value>(json).unwrap()["seq"].as_u64().unwrap()
}

/// A log of `head` entries of any size, which `late` joins at some seq.
pub async fn random_log(store: &Store, dice: &mut Dice) -> (ConversationId, u64, u64) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let head = 2 + dice.below(40);
    let joined = 2 + dice.below(head - 1);
    let entries = (2..=head).map(|seq| {
        let bytes = match dice.below(4) {
            0 => 0,
            1 => dice.below(200),
            2 => dice.below(9_000),
            _ => dice.below(64_000),
        };
        let mut row = entry(id, seq, "ann");
        super::message(&mut row).content =
            format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes as usize));
        row
    });
    let late = MemberRow {
        conversation_id: id,
        user_id: user("late"),
        role: Role::Member,
        from_seq: joined,
    };
    let entries = entries.collect();
    store
        .append(&AppendBatch { entries, members_set: vec![late], ..AppendBatch::default() })
        .await
        .unwrap();
    (id, joined, head)
}

pub async fn every_walk_of_a_log_gives_each_entry_once(store: Store) {
    const PAGE_BYTES: usize = 70_000;
    let queries = queries(&store, PAGE_BYTES);
    for seed in 0..12 {
        let dice = &mut Dice::new(seed);
        let (id, joined, head) = random_log(&store, dice).await;
        let read = async |before_seq, after_seq, limit| -> ReadEntriesReply {
            let request = ReadEntriesRequest {
                user_id: "late".to_owned(),
                conversation_id: id.to_bytes(),
                before_seq,
                after_seq,
                limit,
                ..Default::default()
            };
            let reply = queries.read_entries(Request::new(request)).await.unwrap().into_inner();
            let bytes: usize = reply.entries.iter().map(|entry| entry.len() + 1).sum();
            assert!(bytes < PAGE_BYTES && reply.entries.len() <= limit.max(1) as usize, "{bytes}");
            assert!(!reply.entries.is_empty(), "of {seed}: an empty page although there is more");
            reply
        };
        let limit = [0, 1, 2, 5, 200][dice.below(5) as usize];
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = read(None, Some(after), limit).await;
            seen.extend(page.entries.iter().map(|entry| seq_of(entry)));
            after = *seen.last().unwrap();
            assert_eq!((page.more, page.head), (after < head, head), "of {seed}");
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, (joined..=head).collect::<Vec<_>>(), "of {seed}, forwards");
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = read(before, None, limit).await;
            let mut seqs: Vec<_> = page.entries.iter().map(|entry| seq_of(entry)).collect();
            before = seqs.first().copied();
            assert_eq!(page.more, before > Some(joined), "of {seed}");
            seqs.append(&mut seen);
            seen = seqs;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, (joined..=head).collect::<Vec<_>>(), "of {seed}, backwards");
    }
}

pub async fn a_page_is_read_no_further_than_it_is_full(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann"])).await.unwrap();
    let large = (2..=12).map(|seq| {
        let mut row = entry(id, seq, "ann");
        super::message(&mut row).content = format!(r#"{{"text":"{}"}}"#, "é".repeat(50_000));
        row
    });
    store.append(&only(large.collect())).await.unwrap();
    let read = async |page, bytes| -> Vec<u64> {
        let found = store.entries(keyed(id), page, 0, Room { entries: 200, bytes }).await.unwrap();
        found.iter().map(|stored| stored.entry.seq).collect()
    };
    assert_eq!(read(Page::After(1), 250_000).await, [2, 3]);
    assert_eq!(read(Page::Before(13), 250_000).await, [11, 12]);
    assert_eq!(read(Page::After(1), 10).await, [2], "one at least");
    assert_eq!(read(Page::Before(u64::MAX), 10).await, [12], "one at least");
    assert_eq!(read(Page::After(0), 101_000).await, [1, 2]);
}

pub async fn a_list_of_conversations_that_go_on_being_active_shows_each_once(store: Store) {
    let queries = queries(&store, 1 << 20);
    let page = async |reader: &str, after: &str, limit| -> ListConversationsReply {
        let (user_id, after) = (reader.to_owned(), after.to_owned());
        let request =
            Request::new(ListConversationsRequest { user_id, limit, after, ..Default::default() });
        queries.list_conversations(request).await.unwrap().into_inner()
    };
    // Of each append: what is stored later than it says, by more than a list waits, is none of a list's business.
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_millis() as u64
    };
    for seed in 0..6 {
        let dice = &mut Dice::new(seed);
        let reader = format!("reader-{}", ClientId::generate());
        let mut heads = Vec::new();
        for _ in 0..12 + dice.below(10) {
            let id = ConversationId::generate();
            let mut made = group(id, &[&reader, "ann"]);
            // Some just now, some with the same time.
            made.entries[0].created_at_ms =
                now() - [0, 1_000, 100_000, 500_000 * dice.below(5)][dice.below(4) as usize];
            made.conversations[0].created_at_ms = made.entries[0].created_at_ms;
            store.append(&made).await.unwrap();
            heads.push((id, 1));
        }
        let limit = 1 + dice.below(6) as u32;
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let reply = page(&reader, &next, limit).await;
            assert!(!reply.conversations.is_empty(), "of {seed}");
            seen.extend(
                reply
                    .conversations
                    .iter()
                    .map(|shown| ConversationId::from_bytes(&shown.id).unwrap()),
            );
            next = reply.next;
            if next.is_empty() {
                break;
            }
            // Between two pages some are active again, and one begins.
            for _ in 0..4 {
                let at = dice.below(heads.len() as u64) as usize;
                let (id, head) = &mut heads[at];
                *head += 1;
                let mut row = entry(*id, *head, "ann");
                row.created_at_ms = now() + 1_000;
                store.append(&only(vec![row])).await.unwrap();
            }
            let mut made = group(ConversationId::generate(), &[&reader]);
            made.entries[0].created_at_ms = now() + 1_000;
            made.conversations[0].created_at_ms = made.entries[0].created_at_ms;
            store.append(&made).await.unwrap();
        }
        let each: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(each.len(), seen.len(), "of {seed}: none is shown twice");
        assert!(heads.iter().all(|(id, _)| each.contains(id)), "of {seed}: none is left out");
    }
}

pub async fn every_walk_of_members_gives_each_once(store: Store) {
    let queries = queries(&store, 1 << 20);
    let id = ConversationId::generate();
    let names: Vec<String> = (0..6).map(|n| format!("m+{n}@x")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    store.append(&group(id, &members)).await.unwrap();
    for limit in [1, 2, 3, 6, 7] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let request = ListMembersRequest {
                user_id: names[0].clone(),
                conversation_id: id.to_bytes(),
                limit,
                after,
            };
            let reply = queries.list_members(Request::new(request)).await.unwrap().into_inner();
            assert!(!reply.members.is_empty(), "no page is empty");
            seen.extend(reply.members.into_iter().map(|member| member.user_id));
            after = reply.next;
            if after.is_empty() {
                break;
            }
            assert!(after.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        }
        assert_eq!(seen, names, "with {limit} a page");
    }
}

pub async fn a_conversation_says_whether_receipts_are_told_and_from_where_members_see_it(
    store: Store,
) {
    let queries = queries(&store, 1 << 20);
    let id = ConversationId::generate();
    let members = ["ann", "bob", "cid"];
    assert_eq!(members.len(), RECEIPT_MEMBERS);
    store.append(&group(id, &members)).await.unwrap();
    let shown = async || {
        let request = GetConversationRequest {
            user_id: "ann".to_owned(),
            conversation_id: id.to_bytes(),
            ..Default::default()
        };
        queries.get_conversation(Request::new(request)).await.unwrap().into_inner()
    };
    assert!(shown().await.receipts);

    let mut joined = only(vec![entry(id, 2, "ann")]);
    joined.members_set = vec![MemberRow {
        conversation_id: id,
        user_id: user("dan"),
        role: Role::Member,
        from_seq: 2,
    }];
    store.append(&joined).await.unwrap();
    let shown = shown().await;
    assert!(!shown.receipts, "one member too many");
    let from: Vec<_> = shown.members.iter().map(|it| (it.user_id.as_str(), it.from_seq)).collect();
    assert_eq!(from, [("ann", 1), ("bob", 1), ("cid", 1), ("dan", 2)]);
}

pub async fn pages_go_both_ways_and_lists_are_ordered_by_activity(store: Store) {
    let reader = format!("reader-{}", ClientId::generate());
    let ids: Vec<_> = (0..5).map(|_| ConversationId::generate()).collect();
    for (place, id) in ids.iter().enumerate() {
        let mut made = group(*id, &[&reader]);
        made.entries[0].created_at_ms = 5_000 + place as u64;
        store.append(&made).await.unwrap();
    }
    let first = store.conversations_of(&user(&reader), Listed::default(), None, 2).await.unwrap();
    assert_eq!([first[0].1.id, first[1].1.id], [ids[4], ids[3]]);
    let walk = ListWalk { as_of_ms: 10_000, after: Some(first[1].0), shown: Vec::new() };
    let rest =
        store.conversations_of(&user(&reader), Listed::default(), Some(&walk), 10).await.unwrap();
    assert_eq!(rest.iter().map(|(_, view)| view.id).collect::<Vec<_>>(), [ids[2], ids[1], ids[0]]);

    let id = ids[0];
    store.append(&only((2..=10).map(|seq| entry(id, seq, &reader)).collect())).await.unwrap();
    let page = async |page| -> Vec<u64> {
        store
            .entries(keyed(id), page, 0, room(3))
            .await
            .unwrap()
            .iter()
            .map(|stored| stored.entry.seq)
            .collect()
    };
    assert_eq!(page(Page::Before(u64::MAX)).await, [8, 9, 10]);
    assert_eq!(page(Page::Before(8)).await, [5, 6, 7]);
    assert_eq!(page(Page::After(0)).await, [1, 2, 3]);
    assert_eq!(page(Page::After(9)).await, [10]);
}
