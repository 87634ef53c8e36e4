//! Which replica works on which partition: rendezvous hashing with a bound. Every replica computes
//! it alone from the same list of live replicas.
//!
//! A share is a wish, for balance only: the broker decides who is active on a partition, and safety is
//! in the store.

use std::collections::BTreeSet;

use proto::hash::Fnv1a;
use proto::partition::Partition;

/// The owner of each partition, as an index into `replicas`; `None` when there is no replica.
///
/// Every replica owns the floor or the ceiling of partitions / replicas. A partition goes to the
/// replica that it weighs most, as long as that one has room: so few partitions move when a replica
/// comes or goes.
pub fn owners(replicas: &[String], partitions: Partition) -> Vec<Option<usize>> {
    let mut owners = vec![None; usize::from(partitions)];
    if replicas.is_empty() {
        return owners;
    }
    let floor = usize::from(partitions) / replicas.len();
    let mut ceilings = usize::from(partitions) % replicas.len();
    let mut owned = vec![0; replicas.len()];
    for (_, _, replica, partition) in heaviest_first(replicas, partitions) {
        let owner = &mut owners[usize::from(partition)];
        if owner.is_some() {
            continue;
        }
        if owned[replica] == floor && ceilings > 0 {
            ceilings -= 1;
        } else if owned[replica] >= floor {
            continue;
        }
        owned[replica] += 1;
        *owner = Some(replica);
    }
    owners
}

/// The partitions of one replica.
pub fn share(replica: &str, replicas: &[String], partitions: Partition) -> BTreeSet<Partition> {
    let owners = owners(replicas, partitions);
    let is_ours = |owner: Option<usize>| owner.is_some_and(|owner| replicas[owner] == replica);
    (0..partitions).filter(|partition| is_ours(owners[usize::from(*partition)])).collect()
}

/// Every pair, ordered by weight; the id settles a tie, so that the order of the list does not matter.
fn heaviest_first(
    replicas: &[String],
    partitions: Partition,
) -> Vec<(u64, &str, usize, Partition)> {
    let mut pairs: Vec<_> = replicas
        .iter()
        .enumerate()
        .flat_map(|(index, id)| {
            (0..partitions).map(move |partition| (weight(id, partition), &**id, index, partition))
        })
        .collect();
    pairs.sort_unstable_by(|one, other| other.cmp(one));
    pairs
}

fn weight(replica: &str, partition: Partition) -> u64 {
    let hash = Fnv1a::default().field(replica.as_bytes()).bytes(&partition.to_le_bytes()).finish();
    // FNV is linear in its last bytes; the multiplications spread them (splitmix64).
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
