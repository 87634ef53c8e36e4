//! Messages as they were at an earlier entry: the changes up to it are folded anew. What is gone by now stays gone.

use std::collections::HashMap;

use proto::id::ConversationKey;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use crate::domain::entry::State;
use crate::store::MessagesView;
use crate::store::verify::Changes;

/// Changes that are read at once.
const AT_ONCE: u32 = 5_000;
/// Reads for one answer: beyond it fewer messages have to be asked for.
const READS: u32 = 20;

impl ChatQueries {
    /// The messages of a page that were there at an entry, with their states of then.
    pub(super) async fn as_of(
        &self,
        key: ConversationKey,
        mut view: MessagesView,
        through: u64,
    ) -> Result<MessagesView, Status> {
        view.messages.retain(|message| message.stored.entry.seq <= through);
        let seqs = view.messages.iter().map(|message| message.stored.entry.seq);
        let (Some(first), Some(last)) = (seqs.clone().min(), seqs.max()) else { return Ok(view) };
        let mut states: HashMap<u64, State> = HashMap::new();
        let mut changes = Changes { first, last, through, after: (0, 0), limit: AT_ONCE };
        for read in 0.. {
            if read == READS {
                let text = "too many changes of these messages to be looked at: ask for fewer";
                return Err(Status::invalid_argument(text));
            }
            let found = self.store.changes_of(key, changes).await.map_err(failed)?;
            for (seq, entry) in &found {
                states.entry(*seq).or_default().apply(entry);
            }
            match found.last() {
                Some((seq, entry)) if found.len() >= AT_ONCE as usize => {
                    changes.after = (*seq, entry.seq);
                }
                _ => break,
            }
        }
        for message in &mut view.messages {
            let now = message.state.take();
            let is_gone = |state: &State| state.gone.is_some() && state.as_of <= through;
            let then = || states.remove(&message.stored.entry.seq);
            message.state = now.filter(is_gone).or_else(then);
        }
        Ok(view)
    }
}
