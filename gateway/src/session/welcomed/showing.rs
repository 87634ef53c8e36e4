//! `show`: which of a user's devices shows a notice. The store decides; this asks and tells.

use platform::grpc::ask;
use proto::chat::{MarkNoticeRequest, NoticeMark};
use proto::error_code::ErrorCode;
use proto::frame::client::Show;
use proto::frame::server::{ServerFrame, Shown};
use tonic::Code;

use super::Session;

impl Session {
    pub(super) async fn show(&mut self, show: Show) {
        let Show { r#ref, client_id, notice_id } = show;
        if self.is_ending() {
            return self.refuse_away(r#ref, Some(client_id));
        }
        let request = MarkNoticeRequest {
            user_id: self.identity.user_id.to_string(),
            device_type: self.connection.device_type as i32,
            roles: self.identity.claims.roles.clone(),
            id: notice_id.as_bytes().to_vec().into(),
            mark: NoticeMark::Shown as i32,
            client_id: client_id.to_bytes(),
        };
        let marked = ask(&self.context.notices, request, |mut notices, request| async move {
            notices.mark(request).await
        });
        match marked.await {
            Ok(marked) => {
                let (first, timestamp) = (marked.first, marked.at_ms);
                let shown = Shown { r#ref, client_id, notice_id, first, timestamp };
                self.replies.push(ServerFrame::Shown(shown).to_json());
            }
            Err(status) if status.code() == Code::NotFound => {
                self.refuse(r#ref, Some(client_id), ErrorCode::NotFound, status.message());
            }
            // Whether it was claimed is not known: asked again it is answered as it was then.
            Err(_) => self.refuse_unknown(r#ref, client_id),
        }
    }
}
