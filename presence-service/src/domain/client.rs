//! What a connection came from, as people are shown it.

/// What a gateway saw of a client, to be shown to people. Nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its address; empty when unknown.
    pub ip: Box<str>,
    /// What it calls itself; empty when it says nothing.
    pub user_agent: Box<str>,
}

impl Client {
    /// Longest of either, in bytes; the rest is cut off.
    pub const MAX_BYTES: usize = 256;

    /// Bounded.
    pub fn new(ip: &str, user_agent: &str) -> Self {
        let cut = |text: &str| Box::from(&text[..text.floor_char_boundary(Self::MAX_BYTES)]);
        Self { ip: cut(ip), user_agent: cut(user_agent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_user_agent_is_cut_between_two_characters() {
        let client = Client::new("2001:db8::1", &"ä".repeat(200));
        assert_eq!((&*client.ip, client.user_agent.len()), ("2001:db8::1", 256));
        let odd = Client::new("", &format!("x{}", "ä".repeat(200)));
        assert_eq!(odd.user_agent.len(), 255);
    }
}
