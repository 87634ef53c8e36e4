//! The list of ended sessions of the chat service, played by the test.

use proto::chat::revocation::What;
use proto::chat::revocations_server::Revocations;
use proto::chat::{
    DeviceToken, EndRequest, ListRevocationsRequest, NoteReply, NoteRequest, Revocation,
    RevocationList, end_request,
};
use tonic::{Request, Response, Status};

use crate::services::FakeChat;

/// What is kept.
#[derive(Default)]
pub struct Sessions {
    revoked: Vec<Revocation>,
    noted: Vec<DeviceToken>,
}

impl FakeChat {
    /// What is revoked, in the order in which it was.
    pub fn revoked(&self) -> Vec<Revocation> {
        self.sessions.lock().revoked.clone()
    }

    /// The tokens that devices used.
    pub fn noted(&self) -> Vec<DeviceToken> {
        self.sessions.lock().noted.clone()
    }

    /// Revokes as if another gateway had asked for it.
    pub fn revoke(&self, revocation: Revocation) {
        self.sessions.lock().revoked.push(revocation);
    }
}

#[tonic::async_trait]
impl Revocations for FakeChat {
    async fn end(&self, request: Request<EndRequest>) -> Result<Response<RevocationList>, Status> {
        self.switch.pass().await?;
        let request = request.into_inner();
        let mut sessions = self.sessions.lock();
        let row = |what| Revocation {
            user_id: request.user_id.clone(),
            what: Some(what),
            issued_until_secs: request.issued_until_secs,
            until_ms: request.until_ms,
        };
        let used = |device: &str| -> Vec<Revocation> {
            let noted = sessions.noted.iter();
            let of_device =
                noted.filter(|it| it.user_id == request.user_id && it.device_id == device);
            of_device.map(|it| row(What::TokenId(it.token_id.clone()))).collect()
        };
        let revocations = match request.what.clone().unwrap() {
            end_request::What::All(_) => vec![row(What::All(true))],
            end_request::What::TokenId(id) => vec![row(What::TokenId(id))],
            end_request::What::SessionOf(device) => used(&device),
            end_request::What::DeviceId(device) => {
                let mut rows = used(&device);
                if rows.is_empty() && !request.is_connected {
                    return Err(Status::not_found("you have no such device"));
                }
                rows.push(row(What::DeviceId(device)));
                rows
            }
        };
        sessions.revoked.extend(revocations.clone());
        Ok(Response::new(RevocationList { revocations, version: 0, more: false }))
    }

    async fn list(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<RevocationList>, Status> {
        self.switch.pass().await?;
        let revoked = self.revoked();
        let after = (request.into_inner().after as usize).min(revoked.len());
        let (version, revocations) = (revoked.len() as u64, revoked[after..].to_vec());
        Ok(Response::new(RevocationList { revocations, version, more: false }))
    }

    async fn note(&self, request: Request<NoteRequest>) -> Result<Response<NoteReply>, Status> {
        self.switch.pass().await?;
        self.sessions.lock().noted.extend(request.into_inner().tokens);
        Ok(Response::new(NoteReply {}))
    }
}
