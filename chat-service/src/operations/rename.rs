//! `rename` changes the title of a group.

use proto::bus;

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule};
use crate::domain::body::Event;
use crate::domain::conversation::{self, check_title};
use crate::domain::entry::Body;
use crate::domain::said::Said;

#[derive(Debug, Clone)]
pub struct Rename {
    /// Trimmed.
    pub title: String,
}

pub(super) fn read(asked: Asked, wire: &bus::Rename) -> Result<Operation, Rejected> {
    let conversation_id = asked.conversation_id()?;
    let title = wire.title.trim();
    let mut said = Said::new("rename", conversation_id);
    said.text(title);
    if let Err(refusal) = check_title(title) {
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    let rename = Rename { title: title.to_owned() };
    asked.operation(conversation_id, said, Action::Rename(rename))
}

impl Rule for Rename {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let key = operation.conversation();
        let snapshot = planner.snapshot(key)?;
        conversation::may_rename(snapshot, &operation.actor)?;
        if snapshot.title == self.title {
            return Err(Not::Changed);
        }
        snapshot.title.clone_from(&self.title);
        planner.keep_conversation(key);
        Ok(Draft::of(Body::event(&Event::Renamed { title: &self.title })))
    }
}
