//! How many files and sockets this process may have open. Every connection is one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises what is allowed to the most that the system lets this process have, and says how many that
/// is. None when there is no bound.
pub fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Not allowed everywhere: then it stays as it was.
    let _ = setrlimit(Resource::Nofile, limit);
    limit_now()
}

/// How many are allowed. None when there is no bound.
pub fn limit_now() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_never_lowers() {
        let before = limit_now();
        let after = raise_limit();
        assert!(after.is_none() || after >= before, "{before:?} to {after:?}");
    }
}
