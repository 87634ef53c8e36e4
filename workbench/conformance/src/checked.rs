//! What the check of one rule comes to.

/// Why a rule is not known to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// The other side did something else.
    Broken(String),
    /// It could not be tried here.
    Skipped(String),
}

/// What a check answers.
pub(crate) type Checked<T = ()> = Result<T, NotKept>;

/// The rule is broken.
pub(crate) fn broken<T>(reason: impl Into<String>) -> Checked<T> {
    Err(NotKept::Broken(reason.into()))
}

/// The rule cannot be tried here.
pub(crate) fn skipped<T>(reason: impl Into<String>) -> Checked<T> {
    Err(NotKept::Skipped(reason.into()))
}

/// Ends the check with what is wrong, unless the condition holds.
macro_rules! check {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return $crate::checked::broken(format!($($said)+));
        }
    };
}
pub(crate) use check;
