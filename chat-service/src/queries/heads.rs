//! Digests of the heads of users: whether a device lacks anything.

use proto::chat::{HeadsReply, HeadsRequest};
use proto::heads::HeadsDigest;
use tonic::Status;

use super::chat_queries::ChatQueries;
use super::errors::failed;
use super::request::users;

impl ChatQueries {
    pub(super) async fn head_digests(&self, request: HeadsRequest) -> Result<HeadsReply, Status> {
        let users = users(&request.user_ids)?;
        let digests = self.store.head_digests(&users).await.map_err(failed)?;
        let epoch = self.store.epoch().await.map_err(failed)?;
        let conversations = digests.iter().map(|digest| digest.conversations()).collect();
        let digests_with_entries =
            digests.iter().map(|digest| digest.value_with_entries()).collect();
        let digests = digests.into_iter().map(HeadsDigest::value).collect();
        Ok(HeadsReply { digests, conversations, epoch, digests_with_entries })
    }
}
