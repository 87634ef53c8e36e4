//! The hash of the digests of heads: FNV-1a with the last step of MurmurHash3, as docs/protocol.md says.

/// Of one conversation: its id, its head, and for `heads2` the id of the entry there.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut hash = bytes
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_documents_example() {
        let id: Uuid = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
        let entry: Uuid = "0198c0de-0000-7000-8000-0000000000ff".parse().unwrap();
        let mut bytes = id.as_bytes().to_vec();
        bytes.extend_from_slice(&1_u64.to_be_bytes());
        assert_eq!(hash(&bytes), 3_397_989_771);
        bytes.extend_from_slice(entry.as_bytes());
        assert_eq!(hash(&bytes), 4_168_228_564);
    }
}
