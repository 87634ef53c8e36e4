//! Errors of the store as answers.

use tonic::Status;

use crate::store::StoreError;

/// A value of the asker that the database refuses is the asker's mistake; any other error means that the store
/// is away, and gateways tell clients to come again.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(super) fn failed(error: StoreError) -> Status {
    if error.is_askers() {
        tracing::debug!(%error, "the database refuses a value of a question");
        return Status::invalid_argument(
            "a value cannot be stored or searched for: leave out odd characters",
        );
    }
    tracing::warn!(%error, "a question was not answered");
    Status::unavailable("the message store is away")
}
