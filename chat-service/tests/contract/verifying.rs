//! States are compared with their logs, and stored as the logs say where they differ.

use chat_service::domain::entry::State;
use chat_service::verify::{self, Mismatch, Totals};
use proto::bus::operation::Action;
use proto::bus::{self, Frame};
use proto::id::{ClientId, ConversationId};
use serde_json::json;

use super::worker::{Rig, operation};
use super::{Store, group, keyed};

async fn walk(store: &Store, at: Option<ConversationId>, mend: bool) -> (Totals, Vec<Mismatch>) {
    let mut found = Vec::new();
    let only = at.map(keyed);
    let totals = verify::walk(&**store, only, mend, |mismatch| found.push(mismatch.clone())).await;
    (totals.unwrap(), found)
}

pub async fn states_that_are_not_what_the_log_says_are_found_and_mended(store: Store) {
    let mut rig = Rig::over(store).await;
    let at = ConversationId::generate();
    rig.store.append(&group(at, &["ann", "bob"])).await.unwrap();
    let act = |action| operation(Some(at), ClientId::generate(), action);
    let text = |text: &str| json!({ "text": text }).to_string();
    let send = |n: u64| -> Frame {
        let (kind, content) = ("text".to_owned(), text(&format!("message {n}")));
        act(Action::Send(bus::Send { kind, content, ..bus::Send::default() }))
    };
    for n in 2..=5 {
        rig.ask("ann", send(n)).await;
    }
    let edit = bus::Edit { seq: 2, content: text("edited"), ..bus::Edit::default() };
    rig.ask("ann", act(Action::Edit(edit))).await;
    let react = |seq| Action::React(bus::React { seq, key: "👍".to_owned(), on: true });
    rig.ask("bob", act(react(2))).await;
    rig.ask("bob", act(react(3))).await;
    rig.ask("ann", act(Action::Pin(bus::Pin { seq: 4, on: true }))).await;
    let several = bus::Delete { seqs: vec![3, 5], ..bus::Delete::default() };
    rig.ask("ann", act(Action::Delete(several))).await;
    let (totals, found) = walk(&rig.store, Some(at), false).await;
    assert_eq!((totals.messages, totals.mismatches, found), (4, 0, Vec::new()));

    // What another tool, or a bug, may leave behind.
    let good = rig.store.states_after(keyed(at), 0, 1).await.unwrap().remove(0).1;
    let mut wrong = good.clone();
    wrong.reactions.clear();
    rig.store.mend(keyed(at), 2, &wrong).await.unwrap();
    let pinned = State { as_of: 9, ..State::default() };
    rig.store.mend(keyed(at), 4, &pinned).await.unwrap();
    let (_, found) = walk(&rig.store, None, false).await;
    let seqs: Vec<_> = found.iter().map(|mismatch| mismatch.seq).collect();
    assert_eq!(seqs, [2, 4]);
    assert_eq!((found[0].stored.as_ref(), &found[0].folded), (Some(&wrong), &good));
    let (totals, _) = walk(&rig.store, Some(at), true).await;
    assert_eq!((totals.mismatches, totals.mended), (2, 2));
    assert_eq!(walk(&rig.store, Some(at), false).await.0.mismatches, 0);
    // What is gone stays gone, whatever is corrected.
    let back = State::read(r#"{"as_of":99,"content":{"text":"back"}}"#).unwrap();
    rig.store.mend(keyed(at), 5, &back).await.unwrap();
    assert_eq!(walk(&rig.store, Some(at), false).await.0.mismatches, 0);
}
