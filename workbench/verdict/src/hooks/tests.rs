//! A good account, and one mistake in it each.

use super::*;
use crate::Verdict;

const TENANT: &str = "beta";

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

fn conversation() -> Uuid {
    id(1_000)
}

fn delivery(moment: u64, seq: u64, is_taken: bool) -> Delivery {
    let event = Event {
        id: id(seq),
        tenant: TENANT.to_owned(),
        conversation: conversation(),
        sequence: seq,
        entry: Some((id(seq), seq)),
    };
    Delivery {
        began: moment,
        taken: is_taken.then_some(moment + 1),
        id: id(seq),
        signature: Signature::Good,
        event: Some(event),
    }
}

/// Four entries; the second comes again after its answer is lost, the third after it was refused.
fn good() -> Account {
    let came = [(1, true), (2, false), (2, true), (3, false), (3, true), (2, true), (4, true)];
    Account {
        logs: BTreeMap::from([(conversation(), (1..=4).map(id).collect())]),
        deliveries: (1..)
            .zip(came)
            .map(|(at, (seq, taken))| delivery(at * 10, seq, taken))
            .collect(),
        absences: 1,
        ..Account::default()
    }
}

fn broken_by(spoil: impl FnOnce(&mut Account)) -> Vec<String> {
    let mut account = good();
    spoil(&mut account);
    judge(&account, TENANT, 1).violations.into_keys().collect()
}

#[test]
fn a_good_account_is_valid_and_counts_its_repeats() {
    let judgement = judge(&good(), TENANT, 4);
    assert_eq!(judgement.verdict, Verdict::Valid, "{judgement}");
    assert_eq!((judgement.counts["events taken"], judgement.counts["repeats"]), (4, 3));
    assert_eq!(judge(&good(), TENANT, 5).verdict, Verdict::Unknown);
    let undisturbed = Account { absences: 0, ..good() };
    assert_eq!(judge(&undisturbed, TENANT, 1).verdict, Verdict::Unknown);
    let doubtful = Account { doubts: vec!["no log".to_owned()], ..good() };
    assert_eq!(judge(&doubtful, TENANT, 1).verdict, Verdict::Unknown);
}

#[test]
fn each_mistake_is_found_by_its_rule() {
    let event = |account: &mut Account, at: usize| account.deliveries[at].event.take().unwrap();
    assert_eq!(broken_by(|it| drop(it.deliveries.pop())), ["lost-event"]);
    assert_eq!(
        broken_by(|it| it.deliveries.retain(|it| it.id != id(2))),
        ["lost-event", "out-of-order"],
        "a gap"
    );
    assert_eq!(broken_by(|it| it.deliveries.swap(4, 6)), Vec::<String>::new(), "moments decide");
    assert_eq!(broken_by(|it| it.deliveries[6].began = 45), ["out-of-order"]);
    assert_eq!(broken_by(|it| it.deliveries[2].taken = None), ["out-of-order"]);
    let other_id = broken_by(|it| {
        let event = Event { id: id(99), entry: None, ..event(it, 5) };
        (it.deliveries[5].id, it.deliveries[5].event) = (id(99), Some(event));
    });
    assert_eq!(other_id, ["phantom"], "a repeat under another id");
    assert_eq!(broken_by(|it| it.deliveries[5].id = id(99)), ["id-differs"]);
    let torn = broken_by(|it| {
        let event = Event { entry: Some((id(4), 3)), ..event(it, 6) };
        it.deliveries[6].event = Some(event);
    });
    assert_eq!(torn, ["id-differs"]);
    let leaked = broken_by(|it| {
        let event = Event { tenant: "acme".to_owned(), ..event(it, 5) };
        it.deliveries[5].event = Some(event);
    });
    assert_eq!(leaked, ["leak"]);
    let stranger = broken_by(|it| {
        let event = Event { conversation: id(5), ..event(it, 5) };
        it.deliveries[5].event = Some(event);
    });
    assert_eq!(stranger, ["phantom"]);
    let unsigned = broken_by(|it| it.deliveries[5].signature = Signature::Wrong);
    assert_eq!(unsigned, ["wrong-signature"]);
    assert_eq!(broken_by(|it| drop(event(it, 5))), ["unreadable"]);
    assert_eq!(broken_by(|it| it.given_up = 1), ["given-up"]);
}

#[test]
fn what_is_signed_at_another_time_is_no_fault_and_not_taken() {
    let mut account = good();
    let early = Delivery { signature: Signature::OtherTime, taken: None, ..delivery(5, 1, false) };
    account.deliveries.insert(0, early);
    assert_eq!(judge(&account, TENANT, 1).verdict, Verdict::Valid);
}
