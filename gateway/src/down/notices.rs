//! How far the notices logs of tenants have come: one number for each tenant, read once a second after a user of the tenant
//! has connected here, and told in `welcome` and `pong`. A device that is behind asks for what it lacks.
//!
//! Must not know what a notice says or whom it is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use platform::grpc::GrpcChannel;
use platform::shutdown::Shutdown;
use proto::chat::NoticeHeadsRequest;
use proto::chat::notices_client::NoticesClient;
use proto::id::TenantId;
use tokio::sync::Notify;

use super::heads::HeadsLink;
use crate::connections::Connection;

/// Tenants of one question.
const AT_ONCE: usize = 1_000;
/// How long an answer may take.
const CALL: Duration = Duration::from_secs(2);

/// The heads by tenant; none where it is not known yet.
#[derive(Debug, Default)]
pub(crate) struct NoticeHeads {
    heads: RwLock<HashMap<TenantId, Option<u64>>>,
    /// There is a tenant of which nothing is known.
    is_new: Notify,
}

impl NoticeHeads {
    /// The head of a tenant's log, as it was a second ago; after the first call it is read once a second.
    pub(crate) fn of(&self, tenant: TenantId) -> Option<u64> {
        if let Some(head) = self.heads.read().get(&tenant) {
            return *head;
        }
        self.heads.write().entry(tenant).or_default();
        self.is_new.notify_one();
        None
    }

    /// What a connection is told of it: nothing where its client does not keep the log.
    pub(crate) fn for_connection(&self, connection: &Connection) -> Option<u64> {
        connection.keeps_notices.then(|| self.of(connection.user_id.tenant())).flatten()
    }

    /// An entry came at this place.
    pub(crate) fn came(&self, tenant: TenantId, seq: u64) {
        let mut heads = self.heads.write();
        let head = heads.entry(tenant).or_default();
        *head = Some(head.unwrap_or_default().max(seq));
    }

    /// Asks until the end. When the head of a tenant becomes known, all connections are told.
    pub(crate) async fn run(
        self: Arc<Self>,
        client: NoticesClient<GrpcChannel>,
        every: Duration,
        tell: HeadsLink,
        shutdown: Shutdown,
    ) {
        loop {
            let tenants: Vec<TenantId> = self.heads.read().keys().copied().collect();
            for tenants in tenants.chunks(AT_ONCE) {
                let request = NoticeHeadsRequest {
                    tenants: tenants.iter().map(|it| it.to_field()).collect(),
                };
                let mut client = client.clone();
                let call = client.notice_heads(request);
                match tokio::time::timeout(CALL, call).await {
                    Ok(Ok(reply)) => {
                        if self.learn(tenants, &reply.into_inner().heads) {
                            tell.try_tell_everybody();
                        }
                    }
                    Ok(Err(status)) => tracing::debug!(%status, "heads of notices are not known"),
                    Err(_elapsed) => {}
                }
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.is_new.notified() => {}
                () = shutdown.forced() => return,
            }
        }
    }

    /// True when there is something in a log of which nothing was known.
    fn learn(&self, tenants: &[TenantId], heads: &[u64]) -> bool {
        let (mut known, mut is_news) = (self.heads.write(), false);
        for (tenant, head) in tenants.iter().zip(heads) {
            // Not the larger of both: the store may have been put back to a moment before.
            let before = known.insert(*tenant, Some(*head));
            is_news |= *head > 0 && before.flatten().is_none();
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_unknown_until_it_is_asked_for_and_is_news_once() {
        let (heads, acme) = (NoticeHeads::default(), TenantId::parse("acme").unwrap());
        assert_eq!((heads.of(TenantId::DEFAULT), heads.of(acme)), (None, None));
        assert!(heads.learn(&[TenantId::DEFAULT, acme], &[0, 4]));
        assert!(!heads.learn(&[TenantId::DEFAULT, acme], &[0, 5]));
        assert_eq!((heads.of(TenantId::DEFAULT), heads.of(acme)), (Some(0), Some(5)));
        heads.came(acme, 7);
        heads.came(acme, 6);
        assert_eq!((heads.of(TenantId::DEFAULT), heads.of(acme)), (Some(0), Some(7)));
    }
}
