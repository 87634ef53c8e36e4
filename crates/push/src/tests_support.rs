//! What the tests of several providers need.

use uuid::Uuid;

use crate::{Note, PushJob, Target};

/// A push to the device of a token.
pub(crate) fn job(token: &str, note: Note) -> PushJob {
    let target = Target {
        tenant: "default".to_owned(),
        user: "ann".to_owned(),
        device: "phone".to_owned(),
        token: token.to_owned(),
        app: String::new(),
        locale: "en".to_owned(),
    };
    PushJob { id: Uuid::from_u128(0x1234), target, note }
}
