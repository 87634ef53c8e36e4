//! Bugs that are built in on purpose, to see whether the chaos suite finds them. All off: each is a
//! feature of this crate, for `make chaos-planted` only. The code that depends on them stands where the
//! rule stands that it breaks, and is always compiled.

use std::sync::OnceLock;

/// `welcome` is said before presence knows of the connection.
pub const WELCOME_BEFORE_REGISTRATION: bool = cfg!(feature = "planted-welcome-before-registration");
/// After a full account to presence the devices are not told how far their conversations have come.
pub const HEADS_NOT_TOLD_AGAIN: bool = cfg!(feature = "planted-heads-not-told-again");

/// What makes a session panic when its client says it, for the test that a panic in one session harms no
/// other. Nothing but a test ever sets it: no configuration and no binary does.
static PANIC_ON: OnceLock<&'static str> = OnceLock::new();

/// From now on every session of this process panics whose client says a text that holds this one.
#[doc(hidden)]
pub fn panic_on(text: &'static str) {
    let _ = PANIC_ON.set(text);
}

/// See [`panic_on`].
pub(crate) fn panic_if_asked(text: &str) {
    if let Some(asked) = PANIC_ON.get() {
        assert!(!text.contains(asked), "a panic that was planted by a test");
    }
}

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
