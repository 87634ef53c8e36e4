//! What holds for the shares of all sets of replicas.

use std::collections::BTreeMap;

use chat_service::domain::share::{owners, share};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proto::partition::Partition;

fn replicas() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set("[a-z0-9-]{1,36}", 1..12)
        .prop_map(|ids| ids.into_iter().collect())
}

/// Partition → id of its owner.
fn by_id(replicas: &[String], partitions: Partition) -> Vec<&str> {
    owners(replicas, partitions)
        .into_iter()
        .map(|owner| &*replicas[owner.expect("there is a replica")])
        .collect()
}

proptest! {
    #[test]
    fn every_partition_has_one_owner_and_nobody_has_two_more_than_another(
        replicas in replicas(), partitions in 1_u16..129,
    ) {
        let mut owned: BTreeMap<&str, usize> = replicas.iter().map(|id| (&**id, 0)).collect();
        for owner in by_id(&replicas, partitions) {
            *owned.get_mut(owner).expect("an owner is a replica") += 1;
        }
        let floor = usize::from(partitions) / replicas.len();
        let ceiling = usize::from(partitions).div_ceil(replicas.len());
        for (id, count) in owned {
            prop_assert!((floor..=ceiling).contains(&count), "{id} owns {count}");
        }
    }

    #[test]
    fn shares_are_what_the_owners_say_and_do_not_depend_on_the_order_of_the_list(
        (replicas, shuffled) in replicas().prop_flat_map(|ids| (Just(ids.clone()), Just(ids).prop_shuffle())),
        partitions in 1_u16..65,
    ) {
        prop_assert_eq!(by_id(&replicas, partitions), by_id(&shuffled, partitions));
        let mut all: Vec<Partition> =
            shuffled.iter().flat_map(|id| share(id, &replicas, partitions)).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..partitions).collect::<Vec<_>>());
    }

    #[test]
    fn a_replica_that_goes_moves_its_own_partitions_and_few_others(
        replicas in replicas(), partitions in 1_u16..129, gone in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(replicas.len() > 1);
        let before = by_id(&replicas, partitions);
        let mut left = replicas.clone();
        let gone = left.remove(gone.index(replicas.len()));
        let after = by_id(&left, partitions);
        let others = before.iter().zip(&after).filter(|(b, a)| **b != gone && b != a).count();
        // The bound pushes some aside; plain remainders would move most of them.
        let bound = usize::from(partitions).div_ceil(replicas.len()) + replicas.len();
        prop_assert!(others <= bound, "{others} others moved, bound {bound}");
    }

    #[test]
    fn who_is_not_on_the_list_owns_nothing(
        (replicas, some) in replicas().prop_flat_map(|ids| (Just(ids.clone()), subsequence(ids.clone(), 0..=ids.len()))),
        partitions in 1_u16..65,
    ) {
        for id in replicas.iter().filter(|id| !some.contains(id)) {
            prop_assert!(share(id, &some, partitions).is_empty());
        }
    }
}

#[test]
fn with_one_replica_less_or_more_the_bound_is_seldom_felt() {
    let mut others = 0;
    for round in 0..100 {
        let three: Vec<String> = (0..3).map(|index| format!("replica-{round}-{index}")).collect();
        let (before, after) = (by_id(&three, 16), by_id(&three[..2], 16));
        others += before.iter().zip(&after).filter(|(b, a)| **b != three[2] && b != a).count();
    }
    assert!(others <= 100, "{others} partitions of others moved in 100 rounds of 3 to 2");
}
