//! The last lines of a recorded history: how users are by the server's account, and whether the
//! file is whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use verdict::event::Event;

use crate::record::Writer;
use crate::rest::Rest;
use crate::shared::Common;

/// Users asked for in one request.
const USERS_AT_ONCE: usize = 50;
/// What fails for now is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Records how the server says that the users are, while all are still connected; what went wrong.
pub(super) async fn statuses(common: &Common) -> Option<String> {
    let url = common.options.urls.first()?;
    let rest = match Rest::new(&url.authority, Arc::clone(&common.signer), PATIENCE) {
        Ok(rest) => rest,
        Err(error) => return Some(error.to_string()),
    };
    let run = &common.plan.run;
    for users in common.plan.users.chunks(USERS_AT_ONCE) {
        let statuses = match rest.statuses(users).await {
            Ok(statuses) => statuses,
            Err(error) => return Some(error.to_string()),
        };
        let now = run.nanos(run.micros(Instant::now()));
        for (user, status) in statuses {
            if let (Some(user), Some(recorder)) = (run.client_of(user.as_bytes()), &common.recorder)
            {
                recorder.take(now, Event::Status { user, status });
            }
        }
    }
    None
}

/// Ends the file; why it is not whole.
pub(super) fn finish(
    writer: Writer,
    common: &Common,
    is_drained: bool,
    doubts: &[String],
) -> Option<String> {
    let now = common.plan.run.nanos(common.plan.run.micros(Instant::now()));
    let dropped = writer.recorder().dropped();
    match writer.finish(now, is_drained, doubts.to_vec()) {
        Err(error) => Some(format!("the history could not be written: {error}")),
        Ok(()) if dropped > 0 => Some(format!("{dropped} events are missing from the history")),
        Ok(()) => None,
    }
}
