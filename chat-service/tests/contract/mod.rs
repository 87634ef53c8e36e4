//! What every chat store must do: one function for each promise, run against both databases.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod acquainted;
mod acts;
mod among;
mod appending;
mod as_of;
mod aside;
mod asking;
mod audit;
pub mod beside;
mod changes;
mod chosen;
mod contacts;
pub mod crowded;
mod dead;
mod delivery;
mod digests;
mod drafts;
mod events;
pub mod following;
mod forwarding;
mod kinds;
mod membership;
mod moderators;
mod notices;
mod operators;
mod own;
pub mod paging;
mod people;
mod privacy;
mod push;
mod reactions;
mod reading;
mod receiver;
mod recovering;
pub mod repeats;
mod replicas;
mod revoked;
mod syncing;
pub mod tail;
mod tallies;
mod tenants;
mod threads;
mod verifying;
mod webhooks;
pub mod worker;

pub use acquainted::those_who_share_a_conversation_know_each_other_and_are_found_alone;
pub use acts::*;
pub use among::members_among_many_are_told_with_their_beginning_and_the_head;
pub use appending::*;
pub use as_of::messages_are_shown_as_they_were_at_any_entry;
pub use aside::*;
pub use asking::*;
pub use audit::acts_are_kept_for_their_tenant_in_their_order;
pub use changes::*;
pub use chosen::what_was_chosen_last_is_read;
pub use contacts::{
    a_walk_of_contacts_names_each_once_whatever_the_page_and_partners_first,
    members_of_large_groups_are_counted_and_not_named,
};
pub use dead::*;
pub use delivery::*;
pub use digests::{
    an_operation_whose_digest_is_of_another_version_is_taken_for_the_same,
    conversations_without_entries_have_a_head_of_nothing,
    digests_of_heads_cover_just_the_conversations_of_each_user,
};
pub use drafts::*;
pub use events::events_are_read_once_each_in_order_from_any_place;
pub use following::*;
pub use forwarding::*;
pub use kinds::*;
pub use membership::a_member_who_left_and_came_back_in_one_batch_sees_only_what_follows;
pub use moderators::*;
pub use notices::*;
pub use operators::operators_speak_where_they_are_no_member_and_nobody_else_does;
pub use own::*;
pub use paging::{
    a_conversation_says_whether_receipts_are_told_and_from_where_members_see_it,
    a_list_of_conversations_that_go_on_being_active_shows_each_once,
    a_page_is_read_no_further_than_it_is_full, every_walk_of_a_log_gives_each_entry_once,
    every_walk_of_members_gives_each_once, pages_go_both_ways_and_lists_are_ordered_by_activity,
};
pub use people::{
    names_are_found_whatever_their_case_and_composition, the_epoch_stays,
    users_are_found_by_the_beginning_of_id_or_name,
};
pub use privacy::*;
pub use push::*;
pub use reactions::those_who_reacted_are_listed_in_pages_by_key_or_all;
pub use reading::*;
pub use recovering::{
    Writer, a_write_check_may_be_repeated_and_is_found_by_no_other_question,
    appends_and_questions_that_nobody_waits_for_harm_no_later_ones,
};
pub use repeats::*;
pub use replicas::a_replica_that_beats_is_listed_as_just_heard;
pub use revoked::*;
pub use syncing::*;
pub use tallies::*;
pub use threads::*;
pub use webhooks::*;

pub use tail::{
    a_follower_has_one_owner_and_moves_for_nobody_else,
    a_page_of_the_tail_holds_whole_transactions,
    entries_are_counted_once_whichever_process_follows,
    the_tail_gives_each_entry_once_in_the_order_of_its_log,
};
pub use tenants::*;
pub use verifying::states_that_are_not_what_the_log_says_are_found_and_mended;

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_service::domain::entry::{
    Author, Body, ConversationKind, ConversationRow, CursorRow, Entry, MemberRow, Message,
    MessageKind, Role, SenderType, UserRow,
};
use chat_service::store::{AppendBatch, AppendError, ChatStore, Page, Room};
use proto::id::{ClientId, ConversationId, ConversationKey, EntryId, TenantId, UserId, UserName};

type Store = Arc<dyn ChatStore>;

/// By its qualified text.
fn user(text: &str) -> UserId {
    UserId::parse_qualified(text).unwrap()
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

/// Of the default tenant.
pub fn keyed(id: ConversationId) -> ConversationKey {
    ConversationKey::new(TenantId::DEFAULT, id)
}

/// Of the default tenant.
fn direct(one: &str, other: &str) -> ConversationId {
    ConversationId::direct(TenantId::DEFAULT, &name(one), &name(other))
}

pub fn entry(conversation_id: ConversationId, seq: u64, sender: &str) -> Entry {
    Entry {
        conversation_id,
        seq,
        id: EntryId::generate(),
        author: Author { id: user(sender), r#type: SenderType::User },
        client_id: ClientId::generate(),
        digest: [7; 32],
        created_at_ms: 1_000 + seq,
        target: None,
        thread: None,
        also_in_main: false,
        device_type: None,
        expires_at_ms: None,
        body: Body::Message(Message {
            kind: MessageKind::Text,
            content: format!(r#"{{"text":"number {seq} — ünïcode 🎉"}}"#),
            reply_to: None,
            mentions: Vec::new(),
            mention_all: false,
            forwarded: None,
            is_important: false,
            extra: None,
        }),
    }
}

/// The message of an entry, to be changed.
fn message(entry: &mut Entry) -> &mut Message {
    match &mut entry.body {
        Body::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

/// A group with these members and, at seq 1, a system entry.
pub fn group(id: ConversationId, members: &[&str]) -> AppendBatch {
    let mut created = entry(id, 1, members[0]);
    created.author.r#type = SenderType::System;
    created.body = Body::System(r#"{"event":"created"}"#.to_owned());
    AppendBatch {
        generation: 0,
        entries: vec![created],
        conversations: vec![ConversationRow {
            key: ConversationKey::new(user(members[0]).tenant(), id),
            kind: ConversationKind::Group,
            title: "Crew".to_owned(),
            created_at_ms: 1_000,
        }],
        members_set: members
            .iter()
            .enumerate()
            .map(|(place, name)| MemberRow {
                conversation_id: id,
                user_id: user(name),
                role: if place == 0 { Role::Owner } else { Role::Member },
                from_seq: 1,
            })
            .collect(),
        ..AppendBatch::default()
    }
}

fn room(entries: u32) -> Room {
    Room { entries, bytes: 64 << 20 }
}

pub fn only(entries: Vec<Entry>) -> AppendBatch {
    AppendBatch { entries, ..AppendBatch::default() }
}

async fn seqs(store: &Store, id: ConversationId) -> Vec<u64> {
    let entries = store.entries(keyed(id), Page::After(0), 0, room(10_000)).await.unwrap();
    entries.iter().map(|stored| stored.entry.seq).collect()
}

pub async fn what_was_appended_is_read_back_whole(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let mut rich = entry(id, 2, "ann");
    let said = message(&mut rich);
    said.reply_to = Some(1);
    said.mentions = vec![name("bob")];
    said.is_important = true;
    said.extra = Some(r#"{"a":1}"#.to_owned());
    store.append(&only(vec![rich.clone()])).await.unwrap();
    store
        .upsert_users(
            &[UserRow { id: user("ann"), name: "Ann".to_owned(), avatar: "a.png".to_owned() }],
            1,
        )
        .await
        .unwrap();
    let read = store.entries(keyed(id), Page::After(1), 0, room(10)).await.unwrap();
    rich.digest = [0; 32];
    assert_eq!(read[0].entry, rich);
    assert_eq!((read[0].sender_name.as_str(), read[0].sender_avatar.as_str()), ("Ann", "a.png"));
    let snapshot = store.load(&[keyed(id), keyed(ConversationId::generate())]).await.unwrap();
    assert!(snapshot[1].is_none());
    let snapshot = snapshot[0].as_ref().unwrap();
    assert_eq!(
        (snapshot.head, snapshot.kind, snapshot.title.as_str()),
        (2, ConversationKind::Group, "Crew")
    );
    assert_eq!(snapshot.members[&user("ann")].role, Role::Owner);
    assert_eq!(snapshot.members[&user("bob")].role, Role::Member);
}

pub async fn a_batch_is_stored_whole_or_not_at_all(store: Store) {
    let (one, other) = (ConversationId::generate(), ConversationId::generate());
    store.append(&group(one, &["ann"])).await.unwrap();
    store.append(&group(other, &["ann"])).await.unwrap();
    let mut batch = only(vec![entry(one, 2, "ann"), entry(one, 3, "ann"), entry(other, 1, "ann")]);
    batch.members_removed.push((one, user("ann")));
    assert!(matches!(store.append(&batch).await, Err(AppendError::Conflict)));
    assert_eq!(seqs(&store, one).await, [1]);
    assert_eq!(store.load(&[keyed(one)]).await.unwrap()[0].as_ref().unwrap().members.len(), 1);
}

pub async fn a_client_id_is_stored_once_and_found_again(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let first = entry(id, 2, "ann");
    store.append(&only(vec![first.clone()])).await.unwrap();
    let mut again = entry(id, 3, "ann");
    again.client_id = first.client_id;
    assert!(matches!(store.append(&only(vec![again.clone()])).await, Err(AppendError::Conflict)));
    again.author.id = user("bob");
    store.append(&only(vec![again])).await.unwrap();
    let keys = [
        (user("ann"), ClientId::generate()),
        (user("ann"), first.client_id),
        (user("bob"), first.client_id),
    ];
    let found = store.find_client_ids(&keys).await.unwrap();
    assert!(found[0].is_none());
    let operation = found[1].as_ref().unwrap();
    assert_eq!((operation.seq, operation.entry_id), (2, first.id));
    assert_eq!(operation.digest, Some([7; 32]));
    assert_eq!((operation.conversation, operation.created_at_ms), (keyed(id), 1_002));
    let stored = operation.entry.as_deref().unwrap();
    assert_eq!(stored, &Entry { digest: [0; 32], ..first.clone() }, "the entry comes with it");
    assert_eq!(found[2].as_ref().unwrap().seq, 3);
    let delivered = store.delivered(&[keyed(id), keyed(ConversationId::generate())]).await.unwrap();
    let mut delivered: Vec<_> =
        delivered.iter().map(|row| (row.user_id.as_str(), row.seq)).collect();
    delivered.sort_unstable();
    assert_eq!(delivered, [("ann", 0), ("bob", 0)]);
    let reached =
        CursorRow { conversation_id: id, user_id: user("bob"), delivered_seq: 2, read_seq: 0 };
    store.advance_cursors(&[reached]).await.unwrap();
    let delivered = store.delivered(&[keyed(id)]).await.unwrap();
    assert!(
        delivered.iter().any(|row| row.user_id == user("bob") && row.seq == 2),
        "{delivered:?}"
    );
}

pub async fn two_creators_of_one_conversation_cannot_both_succeed(store: Store) {
    let id = direct("ann", "bob");
    let (ours, theirs) = (group(id, &["ann", "bob"]), group(id, &["bob", "ann"]));
    let (one, other) = tokio::join!(store.append(&ours), store.append(&theirs));
    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|ok| **ok).count(), 1);
    assert_eq!(seqs(&store, id).await, [1]);
}

pub async fn a_batch_of_two_thousand_rows_is_one_append(store: Store) {
    let ids: Vec<_> = (0..500).map(|_| ConversationId::generate()).collect();
    let mut batch = AppendBatch::default();
    for id in &ids {
        let made = group(*id, &["ann", "bob"]);
        batch.conversations.extend(made.conversations);
        batch.members_set.extend(made.members_set);
        batch.entries.extend((1..=4).map(|seq| entry(*id, seq, "ann")));
    }
    store.append(&batch).await.unwrap();
    let heads = store.heads(&user("bob")).await.unwrap();
    let ours: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(
        heads.iter().filter(|head| ours.contains(&head.conversation_id) && head.seq == 4).count(),
        500
    );
}

pub async fn members_come_go_and_change_their_roles(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let change = AppendBatch {
        generation: 0,
        entries: vec![entry(id, 2, "ann")],
        conversations: vec![ConversationRow {
            key: keyed(id),
            kind: ConversationKind::Group,
            title: "New title".to_owned(),
            created_at_ms: 99,
        }],
        members_set: vec![
            MemberRow {
                conversation_id: id,
                user_id: user("cleo"),
                role: Role::Member,
                from_seq: 2,
            },
            MemberRow { conversation_id: id, user_id: user("ann"), role: Role::Admin, from_seq: 1 },
        ],
        members_removed: vec![(id, user("bob"))],
        ..AppendBatch::default()
    };
    store.append(&change).await.unwrap();
    let members = store.members(keyed(id), None, 10).await.unwrap();
    let rows: Vec<_> = members.iter().map(|m| (m.user.id.as_str(), m.role, m.from_seq)).collect();
    assert_eq!(rows, [("ann", Role::Admin, 1), ("cleo", Role::Member, 2)]);
    assert_eq!(store.members(keyed(id), Some(&name("ann")), 10).await.unwrap().len(), 1);
    assert!(store.conversation(&user("bob"), None, id).await.unwrap().is_none());
    let view = store.conversation(&user("cleo"), None, id).await.unwrap().unwrap();
    assert_eq!(
        (view.title.as_str(), view.created_at_ms, view.member_count),
        ("New title", 1_000, 2)
    );
    assert_eq!(view.unread, 1, "what came before the member is not unread");
    let visible =
        store.entries(keyed(id), Page::Before(u64::MAX), view.me.from_seq, room(10)).await.unwrap();
    assert_eq!(visible.len(), 1);
}

pub async fn unread_counts_what_others_wrote_after_the_read_cursor(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    let writers = ["ann", "bob", "ann", "ann"];
    for (place, writer) in writers.iter().enumerate() {
        store.append(&only(vec![entry(id, 2 + place as u64, writer)])).await.unwrap();
    }
    let unread =
        async |who: &str| store.conversation(&user(who), None, id).await.unwrap().unwrap().unread;
    assert_eq!(
        (unread("ann").await, unread("bob").await),
        (1, 3),
        "own and system entries do not count"
    );
    let read =
        CursorRow { conversation_id: id, user_id: user("bob"), delivered_seq: 0, read_seq: 4 };
    store.advance_cursors(&[read]).await.unwrap();
    assert_eq!((unread("ann").await, unread("bob").await), (1, 1));
}

pub async fn cursors_only_grow_and_stay_below_the_head(store: Store) {
    let id = ConversationId::generate();
    store.append(&group(id, &["ann", "bob"])).await.unwrap();
    store.append(&only(vec![entry(id, 2, "ann"), entry(id, 3, "ann")])).await.unwrap();
    let at = |delivered_seq, read_seq| CursorRow {
        conversation_id: id,
        user_id: user("bob"),
        delivered_seq,
        read_seq,
    };
    assert_eq!(store.advance_cursors(&[at(2, 0)]).await.unwrap(), [at(2, 0)]);
    assert_eq!(store.advance_cursors(&[at(1, 0)]).await.unwrap(), []);
    assert_eq!(
        store.advance_cursors(&[at(0, 3)]).await.unwrap(),
        [at(3, 3)],
        "read implies delivered"
    );
    assert_eq!(store.advance_cursors(&[at(99, 99)]).await.unwrap(), [], "clamped to the head");
    let stranger = CursorRow { user_id: user("eve"), ..at(3, 3) };
    assert_eq!(store.advance_cursors(&[stranger]).await.unwrap(), []);
}

/// Binds every function above to an adapter: a new adapter is one line.
macro_rules! chat_store_contract {
    ($fresh:path) => {
        contract::chat_store_contract!($fresh;
            what_was_appended_is_read_back_whole,
            an_entry_of_every_kind_and_sender_is_the_same_wherever_it_is_shown,
            a_message_for_one_type_of_device_is_blank_for_the_others_everywhere,
            messages_are_shown_as_they_were_at_any_entry,
            those_who_reacted_are_listed_in_pages_by_key_or_all,
            reactions_in_a_large_conversation_are_counted_and_told_together,
            a_user_who_reacted_by_a_row_is_shown_their_own_keys,
            a_message_to_which_very_many_reacted_is_tallied_from_then_on,
            counts_are_due_once_and_reactions_to_what_is_gone_are_forgotten,
            rows_that_are_not_what_was_told_are_found_and_told_again,
            mentions_are_counted_and_listed_until_they_are_read,
            an_edit_mentions_those_whom_it_names_and_no_others,
            threads_are_followed_and_read_apart_from_their_conversation,
            replies_in_a_thread_have_pages_of_their_own,
            a_thread_begins_at_a_message_that_one_may_see_and_that_is_in_none,
            who_comes_or_goes_sees_no_mention_or_thread_of_before,
            what_is_unread_is_counted_to_a_hundred,
            steps_of_cursors_tell_when_an_entry_was_received_and_read,
            members_are_told_who_has_read_a_message_and_when,
            a_message_is_copied_with_its_author_and_mentions_nobody,
            what_one_may_not_see_or_say_is_not_copied,
            messages_alone_are_unread_and_order_lists,
            who_comes_late_finds_the_conversation_by_when_they_came,
            pinned_messages_are_those_that_the_log_says,
            a_hundred_messages_may_be_pinned_and_a_repeat_has_the_first_answer,
            a_member_who_came_later_does_not_see_what_was_changed_before,
            pins_of_many_at_once_are_folded_in_the_order_of_the_log,
            changes_of_a_message_are_in_its_log_and_its_state,
            a_message_may_be_sent_changed_and_deleted_in_one_batch,
            several_own_messages_are_deleted_at_once_or_none,
            everybody_may_do_to_messages_what_their_role_says,
            edits_are_bound_in_time_in_number_and_to_what_their_author_has_seen,
            reactions_are_bound_in_number,
            what_a_reader_may_not_see_is_not_changed_and_not_told,
            changes_of_many_at_once_are_folded_in_the_order_of_the_log,
            a_state_never_goes_back,
            messages_are_read_with_what_changes_have_made_of_them,
            a_page_of_messages_is_never_large_and_says_where_it_goes_on,
            what_became_of_messages_is_told_to_those_who_may_see_them,
            a_history_has_every_edit_until_the_message_is_deleted,
            a_sync_with_states_brings_them_and_leaves_out_what_is_too_far_behind,
            states_that_are_not_what_the_log_says_are_found_and_mended,
            a_setting_with_a_base_is_refused_where_another_came_between,
            a_self_log_does_not_exist_for_others_and_for_what_is_not_set,
            a_self_log_is_in_the_digest_and_in_no_list_nor_among_contacts,
            a_walk_of_settings_gives_each_once,
            a_draft_that_another_device_did_not_know_is_not_overwritten,
            a_new_device_has_all_drafts_however_large_they_are,
            drafts_of_one_batch_are_folded_in_their_order,
            what_is_no_draft_is_refused_and_a_thousand_are_kept,
            a_new_device_hears_of_all_settings_however_old_they_are,
            lists_say_what_is_set_and_hidden_conversations_come_back,
            only_what_is_known_is_set_and_only_where_one_is_a_member,
            settings_of_many_devices_at_once_are_those_that_the_log_says_last,
            what_a_user_sets_is_an_entry_and_the_last_one_holds,
            what_two_users_of_two_tenants_set_is_apart,
            a_batch_is_stored_whole_or_not_at_all,
            a_client_id_is_stored_once_and_found_again,
            sixty_four_writers_of_one_conversation_leave_no_gap_and_readers_see_none,
            batches_of_every_size_are_stored_whole,
            a_client_id_twice_in_one_batch_is_a_conflict_and_leaves_nothing,
            a_conflict_in_the_last_row_of_a_large_batch_leaves_nothing_behind,
            cursors_moved_by_many_at_once_end_at_the_highest,
            pages_beyond_the_ends_are_empty_and_none_shows_what_came_before_a_member,
            two_creators_of_one_conversation_cannot_both_succeed,
            a_batch_of_two_thousand_rows_is_one_append,
            members_come_go_and_change_their_roles,
            a_member_who_left_and_came_back_in_one_batch_sees_only_what_follows,
            unread_counts_what_others_wrote_after_the_read_cursor,
            cursors_only_grow_and_stay_below_the_head,
            pages_go_both_ways_and_lists_are_ordered_by_activity,
            users_are_found_by_the_beginning_of_id_or_name,
            names_are_found_whatever_their_case_and_composition,
            a_walk_of_contacts_names_each_once_whatever_the_page_and_partners_first,
            members_of_large_groups_are_counted_and_not_named,
            those_who_share_a_conversation_know_each_other_and_are_found_alone,
            what_was_chosen_last_is_read,
            the_epoch_stays,
            digests_of_heads_cover_just_the_conversations_of_each_user,
            conversations_without_entries_have_a_head_of_nothing,
            a_replica_that_beats_is_listed_as_just_heard,
            a_letter_is_read_back_whole_and_counts_up_when_it_comes_again,
            letters_are_listed_the_newest_first_in_pages,
            a_full_table_takes_no_new_letter_and_counts_those_it_has,
            a_letter_that_came_again_is_not_dropped_by_who_read_it_before,
            marks_count_up_until_they_are_cleared,
            marks_that_nobody_clears_are_forgotten_in_time,
            a_token_belongs_to_the_device_that_registered_it_last,
            a_device_goes_with_its_user_its_bound_its_age_and_its_own_token_alone,
            candidates_are_members_with_a_device_who_lack_the_entry,
            what_was_told_only_grows_until_it_is_taken_back,
            pushes_are_tried_again_when_due_and_the_oldest_go,
            given_up_pushes_are_listed_by_tenant_the_newest_first,
            what_became_of_the_pushes_of_a_conversation_is_found,
            what_a_push_says_is_found_by_what_became_of_its_message,
            everybody_with_a_device_may_be_told_of_a_notice,
            a_reader_that_goes_on_from_a_version_misses_no_revocation,
            a_device_that_is_ended_takes_the_tokens_that_it_used_with_it,
            a_token_that_is_noted_after_its_device_was_ended_comes_too_late,
            tokens_beyond_the_bound_go_with_any_device_of_their_user,
            one_user_fills_nothing_but_the_own_share_of_revocations,
            a_full_list_refuses_what_is_new_and_says_so,
            members_among_many_are_told_with_their_beginning_and_the_head,
            a_write_check_may_be_repeated_and_is_found_by_no_other_question,
            appends_and_questions_that_nobody_waits_for_harm_no_later_ones,
            every_walk_of_a_log_gives_each_entry_once,
            a_page_is_read_no_further_than_it_is_full,
            a_list_of_conversations_that_go_on_being_active_shows_each_once,
            every_walk_of_members_gives_each_once,
            a_conversation_says_whether_receipts_are_told_and_from_where_members_see_it,
            a_sync_gives_everything_after_the_cursors_in_frames_that_fit,
            a_sync_tells_what_is_gone_what_began_anew_and_what_it_leaves_out,
            a_cursor_whose_entry_is_another_one_is_answered_with_the_tail,
            lists_stay_small_whatever_is_written_into_them,
            odd_values_are_the_askers_mistake_in_every_question,
            every_operation_that_comes_again_gets_its_first_answer_alone_and_in_company,
            the_same_thing_written_otherwise_is_the_same_thing,
            a_repeat_is_pushed_as_it_is_stored_and_only_to_whom_it_may_be_missing,
            what_is_not_taken_any_more_is_answered_as_it_was_when_it_was_stored,
            what_changes_nothing_appends_nothing,
            what_waited_too_long_is_not_worked_on_unless_it_was_stored_before,
            what_a_message_names_has_to_exist,
            what_a_gateway_finds_not_allowed_is_refused_unless_it_was_stored_before,
            what_a_later_build_asks_for_is_answered_and_not_skipped,
            users_are_bounded_by_their_conversations_and_by_what_they_store_in_a_day,
            operators_speak_where_they_are_no_member_and_nobody_else_does,
            a_thread_is_followed_and_not_as_its_user_said_by_hand,
            a_press_of_a_card_comes_to_its_bot_once_and_to_nobody_else,
            what_is_no_card_of_a_bot_that_one_may_see_is_not_pressed,
            a_press_is_an_event_and_what_a_bot_sets_is_none,
            a_moderator_deletes_what_anybody_wrote_and_it_is_written_down_once,
            a_moderator_does_nothing_else_that_others_may_not,
            a_moderator_reads_what_was_said_and_nothing_that_is_of_one_user_alone,
            the_tail_gives_each_entry_once_in_the_order_of_its_log,
            a_page_of_the_tail_holds_whole_transactions,
            a_follower_has_one_owner_and_moves_for_nobody_else,
            entries_are_counted_once_whichever_process_follows,
            a_follower_that_has_nothing_to_do_moves_to_the_horizon_without_reading,
            a_follower_that_fails_on_one_entry_goes_on_without_it,
            a_follower_that_cannot_work_gets_the_same_entries_again_and_loses_none,
            what_a_follower_has_not_done_comes_again_to_the_next_process,
            events_are_read_once_each_in_order_from_any_place,
            acts_are_kept_for_their_tenant_in_their_order,
            a_receiver_that_does_everything_wrong_gets_everything_in_order,
            a_conversation_that_fails_waits_alone_and_is_given_up_and_replayed,
            a_receiver_that_is_away_makes_all_wait_and_one_that_is_gone_is_disabled,
            a_tenant_has_as_many_webhooks_as_it_may,
            a_filter_by_members_lets_their_conversations_through,
            events_are_replayed_in_the_order_of_their_conversation,
            what_a_follower_put_aside_is_listed_the_newest_first,
            presence_is_known_to_those_whom_its_user_lets_know_it,
            groups_and_calls_are_open_to_those_whom_their_user_lets,
            receipts_are_told_to_those_whom_their_user_lets_know_them,
            users_are_found_by_those_whom_they_let_find_them,
            who_hides_is_told_to_be_offline_and_has_nobody_to_tell,
            a_sender_is_told_where_a_message_was_not_delivered_to,
            equal_ids_of_two_tenants_in_one_batch_are_stored_for_both,
            questions_find_nothing_of_another_tenant,
            the_same_frames_of_two_tenants_are_stored_and_pushed_apart,
            frames_that_name_what_another_tenant_has_are_answered_as_if_it_did_not_exist,
            a_notice_is_kept_once_and_claimed_by_one_until_the_claim_ends,
            notices_are_listed_and_those_that_are_over_stand_no_more,
            the_push_of_a_notice_is_sent_again_for_one_who_asks_and_not_soon_after,
            who_did_something_with_a_notice_is_told_apart_from_who_did_not,
            cursors_in_notices_make_nobody_a_member_and_count_exactly,
            of_many_who_show_a_notice_at_once_one_is_the_first,
        );
    };
    ($fresh:path; $($name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, keeper) = $fresh().await;
                contract::$name(store).await;
                keeper.remove().await;
            }
        )*
    };
}

pub(crate) use chat_store_contract;
