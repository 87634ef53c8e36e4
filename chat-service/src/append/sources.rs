//! What operations are about in other conversations, such as what they copy: messages that their actors may see. A batch without
//! such operations asks nothing.

use std::collections::BTreeMap;

use proto::frame::server::Forwarded;
use proto::id::{ConversationKey, UserId};

use crate::domain::entry::{Body, MessageKind, SenderType, Source, Sources};
use crate::operations::Operation;
use crate::store::{ChatStore, MessagePage, MessageView, Room, StoreError};

/// One message, however large.
const ONE: Room = Room { entries: 1, bytes: 0 };

/// Those of the operations of a batch, each once.
pub(super) async fn sources(
    store: &dyn ChatStore,
    operations: &[Operation],
) -> Result<Sources, StoreError> {
    let mut sources = Sources::new();
    let mut asked: BTreeMap<(ConversationKey, u64), Vec<&UserId>> = BTreeMap::new();
    for (actor, from, seq) in operations.iter().filter_map(Operation::source) {
        asked.entry((ConversationKey::new(actor.tenant(), from), seq)).or_default().push(actor);
    }
    for ((key, seq), mut actors) in asked {
        actors.sort_unstable();
        actors.dedup();
        let names: Vec<_> = actors.iter().map(|actor| actor.name()).collect();
        let among = store.members_among(key, &names).await?;
        let may_see = among.members.iter().filter(|(_, from_seq)| *from_seq <= seq);
        let may_see: Vec<_> = may_see.map(|(name, _)| name.of(key.tenant)).collect();
        if may_see.is_empty() || seq == 0 {
            continue;
        }
        let found = store.messages(key, MessagePage::Only(seq), seq, ONE).await?;
        if let Some(mut source) = found.messages.into_iter().next().and_then(source) {
            // A bot that has gone hears nothing more of what it has sent.
            if let Some(bot) = source.bot.take() {
                let among = store.members_among(key, std::slice::from_ref(&bot)).await?;
                source.bot = (!among.members.is_empty()).then_some(bot);
            }
            for actor in may_see {
                sources.insert((actor, key.id, seq), source.clone());
            }
        }
    }
    Ok(sources)
}

/// A message as it is copied, which is as its last edit left it; nothing of what is gone.
fn source(MessageView { stored, state }: MessageView) -> Option<Source> {
    let (entry, state) = (stored.entry, state.unwrap_or_default());
    if state.gone.is_some() {
        return None;
    }
    let first = Forwarded { user: entry.author.id.name(), at: entry.created_at_ms };
    let (expires_at_ms, is_limited) = (entry.expires_at_ms, entry.device_type.is_some());
    let is_by_bot = entry.author.r#type == SenderType::Bot;
    let Body::Message(message) = entry.body else { return None };
    let forwarded = message.forwarded.unwrap_or(first);
    let edited = state.content.map(|content| content.as_str().to_owned());
    let (kind, content) = (message.kind, edited.unwrap_or(message.content));
    // Of a copy it is not asked: nobody answers for what another has made.
    let bot = (is_by_bot && kind == MessageKind::Card).then(|| entry.author.id.name());
    Some(Source { kind, content, forwarded, expires_at_ms, is_limited, bot })
}
