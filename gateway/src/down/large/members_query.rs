//! Asks the chat service which users of this gateway are members of a conversation.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use platform::backoff::Backoff;
use platform::grpc::GrpcChannel;
use proto::chat::MembersAmongRequest;
use proto::chat::chat_client::ChatClient;
use proto::id::{ConversationKey, UserId};

use crate::connections::Connection;

/// Users of one call.
const CHUNK: usize = 5_000;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(2);
/// Calls about the same users before they are given up.
const ATTEMPTS: u32 = 5;

/// Which of the connections that were asked about belong to members.
#[derive(Debug)]
pub(crate) struct MembersHere {
    /// The members are those after this entry, or later ones.
    pub(crate) head: u64,
    /// All that were asked about.
    pub(crate) asked: Vec<Arc<Connection>>,
    /// For each user who is a member, the first entry that they may see.
    pub(crate) from_seqs: HashMap<UserId, u64>,
}

/// What became of a question.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: ConversationKey,
    /// Names the question.
    pub(crate) asking: u64,
    /// All connections that arrived before this one were asked about, or known.
    pub(crate) seen: u64,
    /// All of this gateway were asked about.
    pub(crate) is_everybody: bool,
    /// None when there is no answer.
    pub(crate) members: Option<MembersHere>,
}

/// Asks about the users of these connections; `None` when there is no answer after some attempts.
pub(crate) async fn ask(
    chat: ChatClient<GrpcChannel>,
    id: ConversationKey,
    mut asked: Vec<Arc<Connection>>,
) -> Option<MembersHere> {
    // This process has users of all tenants.
    asked.retain(|connection| connection.user_id.tenant() == id.tenant);
    let users: HashSet<&UserId> = asked.iter().map(|connection| &connection.user_id).collect();
    let users: Vec<UserId> = users.into_iter().cloned().collect();
    let (mut head, mut from_seqs) = (None, HashMap::new());
    // With nobody here the head alone is asked for.
    let chunks = users.chunks(CHUNK).chain(users.is_empty().then_some(&[][..]));
    for chunk in chunks {
        let reply = ask_chunk(&chat, id, chunk).await?;
        // The first is the oldest: what the others know beyond it is learned twice.
        head.get_or_insert(reply.0);
        from_seqs.extend(reply.1);
    }
    Some(MembersHere { head: head?, asked, from_seqs })
}

async fn ask_chunk(
    chat: &ChatClient<GrpcChannel>,
    id: ConversationKey,
    users: &[UserId],
) -> Option<(u64, Vec<(UserId, u64)>)> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    for _ in 0..ATTEMPTS {
        let request = MembersAmongRequest {
            conversation_id: id.id.to_bytes(),
            tenant: id.tenant.to_field(),
            user_ids: users.iter().map(ToString::to_string).collect(),
        };
        let mut chat = chat.clone();
        match tokio::time::timeout(CALL, chat.members_among(request)).await {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                let indexes = reply.indexes.iter().zip(&reply.from_seqs);
                let members = indexes.filter_map(|(index, from_seq)| {
                    Some((users.get(*index as usize)?.clone(), *from_seq))
                });
                return Some((reply.head, members.collect()));
            }
            Ok(Err(status)) => tracing::debug!(%status, "members are not known yet"),
            Err(_elapsed) => tracing::debug!("the chat service does not answer"),
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
    None
}
