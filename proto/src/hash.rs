//! A hash that other languages and later builds compute alike.

/// FNV-1a, 64 bit: <http://www.isthe.com/chongo/tech/comp/fnv/>. Not against attackers.
#[derive(Debug, Clone, Copy)]
pub struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// Adds bytes.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        Self(
            bytes.iter().fold(self.0, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        )
    }

    /// Adds a field and its end, so that ("ab", "c") differs from ("a", "bc").
    #[must_use]
    pub fn field(self, bytes: &[u8]) -> Self {
        self.bytes(bytes).bytes(&(bytes.len() as u64).to_le_bytes())
    }

    /// The hash so far.
    pub fn finish(self) -> u64 {
        self.0
    }
}

/// One connection's part of a gateway's digest: the digest is the XOR of the parts, so connections
/// come and go in any order.
pub fn connection_digest(user_id: &str, connection: u64) -> u64 {
    let hash = Fnv1a::default().field(user_id.as_bytes()).bytes(&connection.to_le_bytes()).finish();
    // FNV is linear in its last bytes; a multiplication spreads them before the XOR (splitmix64).
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(Fnv1a::default().bytes(b"a").finish(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv1a::default().bytes(b"foobar").finish(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_digest_tells_which_user_a_connection_belongs_to() {
        let swapped = connection_digest("ann", 1) ^ connection_digest("bob", 2);
        assert_ne!(swapped, connection_digest("ann", 2) ^ connection_digest("bob", 1));
    }
}
