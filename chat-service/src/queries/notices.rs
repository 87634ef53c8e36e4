//! Notices over gRPC: operators post, list and withdraw them and read what became of them; users read their own and say
//! what they did with them.

use std::collections::HashMap;

use platform::shutdown::Tasks;
use proto::chat::notices_server::Notices;
use proto::chat::{
    InboxNotice, InboxReply, InboxRequest, ListNoticesReply, ListNoticesRequest, MarkNoticeReply,
    MarkNoticeRequest, Notice as NoticeProto, NoticeCounts as CountsProto, NoticeDisplay,
    NoticeHeadsReply, NoticeHeadsRequest, NoticeHour, NoticePriority, NoticeReceipt,
    NoticeReceiptsReply, NoticeReceiptsRequest, NoticeRequest, NoticeState, PostNoticeRequest,
};
use proto::common::DeviceType;
use proto::error_code::ErrorCode;
use proto::id::{ClientId, ConversationId, ConversationKey, TenantId, UserId};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::errors::failed;
use super::request::{MAX_IDS, tenant, user};
use super::{convert, cursor};
use crate::clock::now_ms;
use crate::domain::conversation::Refusal;
use crate::domain::notice::{Audience, Display, Notice, NoticeMark, Priority, Text, Work};
use crate::domain::reader::Reader;
use crate::notices::{NoticeParts, audience, marks};
use crate::store::notices::{MarkCounts, Marking, NEWEST, NoticeCounts};
use crate::store::{Page, Room};

/// Notices of one page.
const MAX_NOTICES: u32 = 100;
/// Receipts of one page.
const MAX_RECEIPTS: u32 = 1_000;

pub(crate) struct NoticeDesk {
    parts: NoticeParts,
    /// Offline push is on.
    is_pushing: bool,
    tasks: Tasks,
}

impl NoticeDesk {
    /// Keeps notices in a store; they are sent by tasks of their own.
    pub(crate) fn new(parts: NoticeParts, is_pushing: bool, tasks: Tasks) -> Self {
        Self { parts, is_pushing, tasks }
    }

    /// Why the push of a notice cannot be sent again.
    fn is_not_pushed(&self, notice: &Notice) -> Option<&'static str> {
        match notice {
            _ if !self.is_pushing => Some("offline push is off: no provider is configured"),
            Notice { withdrawn_at_ms: Some(_), .. } => Some("this notice was withdrawn"),
            _ if notice.is_over(now_ms()) => Some("this notice has expired"),
            Notice { seq: None, .. } => Some("this notice has not been sent yet"),
            Notice { priority: Priority::Low, .. } => {
                Some("of a notice of the priority `low` nothing is pushed")
            }
            Notice { audience: Audience::Roles(_), .. } => {
                Some("of a notice to roles nothing is pushed: nobody who is not connected has one")
            }
            _ => None,
        }
    }

    async fn of_operator(&self, request: &NoticeRequest) -> Result<Notice, Status> {
        let operator = user(&request.user_id)?;
        let found = self.parts.store.notice(operator.tenant(), id(&request.id)?).await;
        found.map_err(failed)?.ok_or_else(no_such_notice)
    }

    /// What is asked for, as it is to be kept.
    async fn asked(&self, request: PostNoticeRequest) -> Result<Notice, Status> {
        let operator = user(&request.user_id)?;
        let config = &self.parts.config;
        let (priority, display) = (priority(request.priority()), display(request.display()));
        let text = Text {
            title: &request.title,
            body: &request.body,
            priority,
            display,
            action: (&request.action_label, &request.action_url),
            data: &request.data,
        };
        let content = text.content().map_err(refused)?;
        let audience = audience::read(request.audience.unwrap_or_default()).map_err(refused)?;
        let now = now_ms();
        let starts_at_ms = request.starts_at_ms.max(now);
        let expires_at_ms = match request.expires_at_ms {
            0 => starts_at_ms.saturating_add(config.expires_ms),
            at => at,
        };
        if expires_at_ms <= starts_at_ms || expires_at_ms - starts_at_ms > config.longest_ms {
            let days = config.longest_ms / 86_400_000;
            let text = format!("`expires_at` is after `starts_at` and now, by at most {days} days");
            return Err(Status::invalid_argument(text));
        }
        let targets = self.targets(&operator, &audience).await?;
        Ok(Notice {
            tenant: operator.tenant(),
            id: id(&request.id)?,
            conversation_id: audience.log(operator.tenant()),
            seq: None,
            audience,
            content,
            priority,
            created_by: operator.name(),
            created_at_ms: now,
            starts_at_ms,
            expires_at_ms,
            withdrawn_at_ms: None,
            targets,
            work: Work::Append,
            attempts: 0,
        })
    }

    /// How many users a notice is for, where that is known.
    async fn targets(&self, operator: &UserId, audience: &Audience) -> Result<Option<u64>, Status> {
        let tenant = operator.tenant();
        match audience {
            Audience::All => self.parts.store.count_users(tenant).await.map(Some).map_err(failed),
            Audience::Users(users) => Ok(Some(users.len() as u64)),
            Audience::Conversation(id) => {
                let key = ConversationKey::new(tenant, *id);
                let found = self.parts.store.load(&[key]).await.map_err(failed)?;
                let there_is_none = || Status::not_found("there is no such conversation");
                let snapshot = found.into_iter().flatten().next().ok_or_else(there_is_none)?;
                Ok(Some(snapshot.members.len() as u64))
            }
            Audience::DeviceTypes(_) | Audience::Roles(_) => Ok(None),
        }
    }

    /// A notice that a device of a user may see.
    async fn visible(
        &self,
        user_id: &UserId,
        device_type: DeviceType,
        roles: &[String],
        id: Uuid,
    ) -> Result<Notice, Status> {
        let store = &self.parts.store;
        let notice = store.notice(user_id.tenant(), id).await.map_err(failed)?;
        let notice = notice.filter(|it| it.seq.is_some() && !it.is_over(now_ms()));
        let notice = notice.ok_or_else(no_such_notice)?;
        let is_for = audience::write(&notice.audience).includes(user_id, device_type, roles);
        if let Audience::Conversation(log) = &notice.audience {
            let view = store.conversation(user_id, None, *log).await.map_err(failed)?;
            let from_seq = view.map_or(u64::MAX, |view| view.me.from_seq);
            if notice.seq.is_some_and(|seq| seq < from_seq) {
                return Err(no_such_notice());
            }
        } else if !is_for {
            return Err(no_such_notice());
        }
        Ok(notice)
    }
}

#[tonic::async_trait]
impl Notices for NoticeDesk {
    async fn post(
        &self,
        request: Request<PostNoticeRequest>,
    ) -> Result<Response<NoticeProto>, Status> {
        let request = request.into_inner();
        let is_trial = request.dry_run;
        let notice = self.asked(request).await?;
        if is_trial {
            return Ok(Response::new(shown(&notice, None)));
        }
        let before = self.parts.store.keep_notice(&notice).await.map_err(failed)?;
        if let Some(before) = before {
            if !before.is_same(&notice) {
                let text = "another notice has this id and stays; a new notice needs a new id";
                return Err(Status::already_exists(text));
            }
            return Ok(Response::new(shown(&before, None)));
        }
        self.parts.woken.notify_one();
        Ok(Response::new(shown(&notice, None)))
    }

    async fn withdraw(
        &self,
        request: Request<NoticeRequest>,
    ) -> Result<Response<NoticeProto>, Status> {
        let request = request.into_inner();
        let (operator, id) = (user(&request.user_id)?, id(&request.id)?);
        let withdrawn = self.parts.store.withdraw_notice(operator.tenant(), id, now_ms()).await;
        let notice = withdrawn.map_err(failed)?.ok_or_else(no_such_notice)?;
        self.parts.woken.notify_one();
        Ok(Response::new(shown(&notice, None)))
    }

    async fn resend_push(
        &self,
        request: Request<NoticeRequest>,
    ) -> Result<Response<NoticeProto>, Status> {
        let notice = self.of_operator(&request.into_inner()).await?;
        if let Some(why) = self.is_not_pushed(&notice) {
            return Err(Status::already_exists(why));
        }
        let between_ms = self.parts.config.resend_ms;
        let asked = self.parts.store.ask_resend(notice.tenant, notice.id, now_ms(), between_ms);
        if !asked.await.map_err(failed)? {
            let seconds = between_ms.div_ceil(1_000);
            let text = format!(
                "the push of this notice was sent again less than {seconds} s ago; ask again later"
            );
            return Err(Status::resource_exhausted(text));
        }
        Ok(Response::new(shown(&notice, None)))
    }

    async fn get(&self, request: Request<NoticeRequest>) -> Result<Response<NoticeProto>, Status> {
        let notice = self.of_operator(&request.into_inner()).await?;
        let counts = self.parts.store.notice_counts(&notice).await.map_err(failed)?;
        Ok(Response::new(shown(&notice, Some(counts))))
    }

    async fn list(
        &self,
        request: Request<ListNoticesRequest>,
    ) -> Result<Response<ListNoticesReply>, Status> {
        let request = request.into_inner();
        let operator = user(&request.user_id)?;
        let limit = request.limit.clamp(1, MAX_NOTICES);
        let before = cursor::notice(&request.before)?;
        let found = self.parts.store.notices(operator.tenant(), before, limit + 1).await;
        let mut found = found.map_err(failed)?;
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| is_more);
        let next = last.map(|it| cursor::of_notice(it.created_at_ms, it.id)).unwrap_or_default();
        let notices = found.iter().map(|notice| shown(notice, None)).collect();
        Ok(Response::new(ListNoticesReply { notices, next }))
    }

    async fn receipts(
        &self,
        request: Request<NoticeReceiptsRequest>,
    ) -> Result<Response<NoticeReceiptsReply>, Status> {
        let request = request.into_inner();
        let of = NoticeRequest { user_id: request.user_id.clone(), id: request.id.clone() };
        let notice = self.of_operator(&of).await?;
        let limit = request.limit.clamp(1, MAX_RECEIPTS);
        let after = cursor::receipt(&request.after)?;
        let mark = NoticeMark::of(request.mark as u64);
        let after = after.as_ref().map(|(name, mark)| (name, *mark));
        let found =
            self.parts.store.notice_receipts(notice.tenant, notice.id, mark, after, limit + 1);
        let mut found = found.await.map_err(failed)?;
        let is_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| is_more);
        let next = last.map(|it| cursor::of_receipt(&it.user, it.mark)).unwrap_or_default();
        let receipts = found.into_iter().map(|it| NoticeReceipt {
            user: it.user.to_string(),
            mark: it.mark.code() as i32,
            at_ms: it.at_ms,
        });
        Ok(Response::new(NoticeReceiptsReply { receipts: receipts.collect(), next }))
    }

    async fn inbox(&self, request: Request<InboxRequest>) -> Result<Response<InboxReply>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let device_type = request.device_type();
        let limit = request.limit.clamp(1, MAX_NOTICES) as usize;
        let (store, now) = (&self.parts.store, now_ms());
        let standing = store.standing_notices(log_of(user_id.tenant()), now, NEWEST).await;
        let mut notices = standing.map_err(failed)?;
        notices.retain(|notice| {
            audience::write(&notice.audience).includes(&user_id, device_type, &request.roles)
        });
        let ids: Vec<Uuid> = notices.iter().map(|notice| notice.id).collect();
        let mut marks: HashMap<Uuid, Vec<(NoticeMark, u64)>> = HashMap::new();
        for (id, mark, at_ms) in store.own_receipts(&user_id, &ids).await.map_err(failed)? {
            marks.entry(id).or_default().push((mark, at_ms));
        }
        let read_seq = store.notices_read(&user_id).await.map_err(failed)?;
        let mut shown = Vec::new();
        for notice in notices {
            let mut own = own(&notice, marks.remove(&notice.id).unwrap_or_default(), read_seq);
            if shown.len() == limit || request.unread && own.is_read {
                continue;
            }
            own.entry = self.entry(&notice, &user_id, now).await?;
            shown.push(own);
        }
        Ok(Response::new(InboxReply { notices: shown }))
    }

    async fn mark(
        &self,
        request: Request<MarkNoticeRequest>,
    ) -> Result<Response<MarkNoticeReply>, Status> {
        let request = request.into_inner();
        let user_id = user(&request.user_id)?;
        let notice =
            self.visible(&user_id, request.device_type(), &request.roles, id(&request.id)?).await?;
        let mark = NoticeMark::of(request.mark as u64);
        let mark = mark.ok_or_else(|| Status::invalid_argument("what was done with it?"))?;
        let client_id = ClientId::from_bytes(&request.client_id)
            .map_err(|_| Status::invalid_argument("`client_id` is a UUID"))?;
        let marking = Marking { user_id, notice: notice.id, mark, client_id, at_ms: now_ms() };
        let marked = self.parts.store.mark_notice(&marking).await.map_err(failed)?;
        if marked.is_first {
            let telling = marks::tell(self.parts.clone(), marking, marked.at_ms);
            self.tasks.spawn("notice mark", telling);
        }
        Ok(Response::new(MarkNoticeReply { first: marked.is_first, at_ms: marked.at_ms }))
    }

    async fn notice_heads(
        &self,
        request: Request<NoticeHeadsRequest>,
    ) -> Result<Response<NoticeHeadsReply>, Status> {
        let tenants = request.into_inner().tenants;
        if tenants.len() > MAX_IDS {
            return Err(Status::invalid_argument("ask for at most 1,000 tenants at once"));
        }
        let mut heads = Vec::with_capacity(tenants.len());
        for text in &tenants {
            let log = log_of(tenant(text)?);
            heads.push(self.parts.store.notices_head(log).await.map_err(failed)?);
        }
        Ok(Response::new(NoticeHeadsReply { heads }))
    }
}

impl NoticeDesk {
    /// Its entry, for somebody who may see it.
    async fn entry(
        &self,
        notice: &Notice,
        user_id: &UserId,
        now_ms: u64,
    ) -> Result<bytes::Bytes, Status> {
        let seq = notice.seq.unwrap_or_default();
        let (page, room) =
            (Page::After(seq.saturating_sub(1)), Room { entries: 1, bytes: usize::MAX >> 1 });
        let found = self.parts.store.entries(notice.log(), page, 1, room).await.map_err(failed)?;
        let stored = found.into_iter().find(|stored| stored.entry.seq == seq);
        let stored = stored.ok_or_else(no_such_notice)?;
        let reader = Reader { user_id, device_type: None, from_seq: 1, now_ms };
        Ok(convert::shown_to(&reader, stored))
    }
}

fn own(notice: &Notice, marks: Vec<(NoticeMark, u64)>, read_seq: u64) -> InboxNotice {
    let mut own = InboxNotice {
        id: notice.id.as_bytes().to_vec().into(),
        is_read: notice.seq.is_some_and(|seq| seq <= read_seq),
        ..InboxNotice::default()
    };
    for (mark, at_ms) in marks {
        match mark {
            NoticeMark::Shown => own.shown_at_ms = at_ms,
            NoticeMark::Read => own.read_at_ms = at_ms,
            NoticeMark::Clicked => own.clicked_at_ms = at_ms,
            NoticeMark::Dismissed => own.dismissed_at_ms = at_ms,
        }
        own.is_read |= mark != NoticeMark::Shown;
    }
    own
}

fn shown(notice: &Notice, counts: Option<NoticeCounts>) -> NoticeProto {
    let now = now_ms();
    let state = match notice {
        Notice { withdrawn_at_ms: Some(_), .. } => NoticeState::Withdrawn,
        Notice { expires_at_ms, .. } if *expires_at_ms <= now => NoticeState::Expired,
        Notice { seq: Some(_), .. } => NoticeState::Sent,
        Notice { work: Work::Nothing, .. } => NoticeState::Failed,
        _ => NoticeState::Waiting,
    };
    NoticeProto {
        id: notice.id.as_bytes().to_vec().into(),
        conversation_id: notice.log().id.to_bytes(),
        seq: notice.seq.unwrap_or_default(),
        state: state as i32,
        priority: notice.priority.code() as i32,
        audience: Some(audience::write(&notice.audience)),
        content: notice.content.clone(),
        created_by: notice.created_by.to_string(),
        created_at_ms: notice.created_at_ms,
        starts_at_ms: notice.starts_at_ms,
        expires_at_ms: notice.expires_at_ms,
        withdrawn_at_ms: notice.withdrawn_at_ms.unwrap_or_default(),
        targets: notice.targets,
        counts: counts.map(counted),
    }
}

fn counted(counts: NoticeCounts) -> CountsProto {
    let MarkCounts { shown, read, clicked, dismissed } = counts.marks;
    let hour = |(at_ms, marks): (u64, MarkCounts)| {
        let MarkCounts { shown, read, clicked, dismissed } = marks;
        NoticeHour { at_ms, shown, read, clicked, dismissed }
    };
    let by_hour = counts.by_hour.into_iter().map(hour).collect();
    CountsProto { delivered: counts.delivered, shown, read, clicked, dismissed, by_hour }
}

/// The log of a tenant's notices.
fn log_of(tenant: TenantId) -> ConversationKey {
    ConversationKey::new(tenant, ConversationId::notices(tenant))
}

fn id(bytes: &[u8]) -> Result<Uuid, Status> {
    Uuid::from_slice(bytes).map_err(|_| Status::invalid_argument("the id of a notice is a UUID"))
}

fn no_such_notice() -> Status {
    Status::not_found("there is no such notice for you, or it has ended")
}

fn priority(asked: NoticePriority) -> Priority {
    match asked {
        NoticePriority::High => Priority::High,
        NoticePriority::Low => Priority::Low,
        NoticePriority::Normal | NoticePriority::Unspecified => Priority::Normal,
    }
}

fn display(asked: NoticeDisplay) -> Display {
    match asked {
        NoticeDisplay::Device => Display::Device,
        NoticeDisplay::Always => Display::Always,
        NoticeDisplay::User | NoticeDisplay::Unspecified => Display::User,
    }
}

fn refused(refusal: Refusal) -> Status {
    match refusal.code {
        ErrorCode::NotFound => Status::not_found(refusal.message),
        _ => Status::invalid_argument(refusal.message),
    }
}
