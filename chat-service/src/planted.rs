//! Bugs that are built in on purpose, to see whether the chaos suite finds them. All off: each is a
//! feature of this crate, for `make chaos-planted` only. The code that depends on them stands where the
//! rule stands that it breaks, and is always compiled.

/// A client id that was used before is not looked up, and the database takes it a second time.
pub(crate) const DUPLICATE_CHECK_OFF: bool = cfg!(feature = "planted-duplicate-check-off");
/// Recipients are looked up before their entries are committed.
pub(crate) const LOCATE_BEFORE_COMMIT: bool = cfg!(feature = "planted-locate-before-commit");
/// `sent` is told while the database is still at work.
pub(crate) const ACK_BEFORE_COMMIT: bool = cfg!(feature = "planted-ack-before-commit");
/// Where users are connected is remembered for a while.
pub(crate) const CACHED_ROUTE: bool = cfg!(feature = "planted-cached-route");
/// Users who may have missed a push are not sent their head digest.
pub(crate) const HEADS_NOT_TOLD_AGAIN: bool = cfg!(feature = "planted-heads-not-told-again");
/// Followers pass what the broker has not confirmed.
pub(crate) const POSITION_BEFORE_CONFIRM: bool = cfg!(feature = "planted-position-before-confirm");

/// What an entry makes of a message is not written with it.
pub(crate) const STATE_NOT_WRITTEN: bool = cfg!(feature = "planted-state-not-written");
/// What an operation knows of its target is read before the head of the log, which then proves nothing.
pub(crate) const STALE_TARGET: bool = cfg!(feature = "planted-stale-target");
/// A state applies an entry again that it takes account of already.
pub(crate) const APPLIED_AGAIN: bool = cfg!(feature = "planted-applied-again");
/// A reaction counts as a message: it is unread, and the last message of its conversation.
pub(crate) const REACTION_IS_A_MESSAGE: bool = cfg!(feature = "planted-reaction-is-a-message");
/// The tail gives what is committed, also where an older transaction still runs.
pub(crate) const TAIL_WITHOUT_HORIZON: bool = cfg!(feature = "planted-tail-without-horizon");

/// What was told of a message by an offline push is not taken back when it is read elsewhere.
pub(crate) const PUSH_NOT_TAKEN_BACK: bool = cfg!(feature = "planted-push-not-taken-back");
/// A notice is claimed for showing by looking first and writing then.
pub(crate) const NOTICE_CLAIM_NOT_ATOMIC: bool = cfg!(feature = "planted-notice-claim-not-atomic");

const ALL: [(&str, bool); 13] = [
    ("position-before-confirm", POSITION_BEFORE_CONFIRM),
    ("duplicate-check-off", DUPLICATE_CHECK_OFF),
    ("locate-before-commit", LOCATE_BEFORE_COMMIT),
    ("ack-before-commit", ACK_BEFORE_COMMIT),
    ("cached-route", CACHED_ROUTE),
    ("heads-not-told-again", HEADS_NOT_TOLD_AGAIN),
    ("state-not-written", STATE_NOT_WRITTEN),
    ("stale-target", STALE_TARGET),
    ("applied-again", APPLIED_AGAIN),
    ("reaction-is-a-message", REACTION_IS_A_MESSAGE),
    ("tail-without-horizon", TAIL_WITHOUT_HORIZON),
    ("push-not-taken-back", PUSH_NOT_TAKEN_BACK),
    ("notice-claim-not-atomic", NOTICE_CLAIM_NOT_ATOMIC),
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
