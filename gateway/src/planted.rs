//! Bugs that are built in on purpose, to see whether the chaos suite finds them. All off: each is a
//! feature of this crate, for `make chaos-planted` only. The code that depends on them stands where the
//! rule stands that it breaks, and is always compiled.

/// `welcome` is said before presence knows of the connection.
pub const WELCOME_BEFORE_REGISTRATION: bool = cfg!(feature = "planted-welcome-before-registration");
/// After a full account to presence the devices are not told how far their conversations have come.
pub const HEADS_NOT_TOLD_AGAIN: bool = cfg!(feature = "planted-heads-not-told-again");

const ALL: [(&str, bool); 2] = [
    ("welcome-before-registration", WELCOME_BEFORE_REGISTRATION),
    ("heads-not-told-again", HEADS_NOT_TOLD_AGAIN),
];

/// Says at every start that this build breaks its promises.
pub(crate) fn warn() {
    for (bug, _) in ALL.iter().filter(|(_, is_planted)| *is_planted) {
        tracing::error!(
            bug,
            "THIS BUILD BREAKS ITS PROMISES ON PURPOSE: never use it for anything"
        );
    }
}
