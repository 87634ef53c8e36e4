//! Notices for operators: sent to many users, kept until they end, withdrawn, and counted. For tokens with the role admin.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use proto::chat::{
    ListNoticesRequest, Notice as NoticeProto, NoticeDisplay, NoticeHour, NoticeMark,
    NoticePriority, NoticeReceiptsRequest, NoticeRequest, NoticeState, PostNoticeRequest,
};
use proto::common::{DeviceType, NoticeAudience};
use proto::error_code::ErrorCode;
use proto::id::ConversationId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::HttpState;
use crate::identity::Identity;
use crate::rates::Account;
use crate::rest::Act;
use crate::rest::error::{ApiError, ErrorBody, Path, Query};
use crate::rest::json_body::Body;
use crate::rest::paging::PageLimit;
use crate::rest::shapes::raw;

/// What to send, and to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNotice {
    /// Repeat it when asking again: it is the same notice.
    id: Option<Uuid>,
    /// At most 200 characters.
    #[serde(default)]
    title: String,
    /// At most 8,000 characters.
    body: String,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    display: Display,
    audience: Audience,
    action: Option<Action>,
    /// A JSON object for the application, at most 16 KiB; the server does not interpret it.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
    /// When to send it, in Unix milliseconds; else at once.
    starts_at: Option<u64>,
    /// From when on nobody sees it, in Unix milliseconds; else 30 days after it is sent.
    expires_at: Option<u64>,
    /// Sends nothing: only counts whom it would be for.
    #[serde(default)]
    dry_run: bool,
}

/// How soon devices hear of it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Priority {
    /// Before everything that has a lower priority.
    High,
    #[default]
    Normal,
    /// With the next heartbeat.
    Low,
}

/// Where devices show it.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Display {
    /// On one device of each user, once.
    #[default]
    User,
    /// On each device, once.
    Device,
    /// Until it is read.
    Always,
}

/// Whom it is for: exactly one of the fields is given.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Audience {
    /// True: every user of the tenant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
    /// Devices of these types: web, ios, android, desktop, bot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    device_types: Vec<String>,
    /// Users whose token has one of these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// The members of this conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Uuid>,
    /// These users, at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
}

/// What a notice offers to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    /// At most 100 characters.
    label: String,
    /// Begins with https://, http:// or /.
    url: String,
}

const DEVICE_TYPES: [(&str, DeviceType); 5] = [
    ("web", DeviceType::Web),
    ("ios", DeviceType::Ios),
    ("android", DeviceType::Android),
    ("desktop", DeviceType::Desktop),
    ("bot", DeviceType::Bot),
];

impl Audience {
    fn to_proto(&self) -> Result<NoticeAudience, ApiError> {
        let code = |name: &String| {
            let found = DEVICE_TYPES.iter().find(|(known, _)| known == name);
            found.map(|(_, device_type)| *device_type as i32)
        };
        let codes: Option<Vec<i32>> = self.device_types.iter().map(code).collect();
        let text = "`device_types` are web, ios, android, desktop and bot";
        Ok(NoticeAudience {
            all: self.all,
            device_types: codes.ok_or_else(|| ApiError::invalid(text))?,
            roles: self.roles.clone(),
            conversation_id: self
                .conversation
                .map(|id| ConversationId(id).to_bytes())
                .unwrap_or_default(),
            users: self.users.clone(),
        })
    }

    fn read(audience: NoticeAudience) -> Self {
        let name = |code: &i32| {
            let found = DEVICE_TYPES.iter().find(|(_, device_type)| *device_type as i32 == *code);
            found.map(|(name, _)| (*name).to_owned())
        };
        Self {
            all: audience.all,
            device_types: audience.device_types.iter().filter_map(name).collect(),
            roles: audience.roles,
            conversation: Uuid::from_slice(&audience.conversation_id).ok(),
            users: audience.users,
        }
    }
}

/// A notice, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentNotice {
    id: Uuid,
    /// The log that it is in.
    conversation_id: Uuid,
    /// Its place there; absent until it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// `waiting` (for its time, or for its log), `sent`, `withdrawn`, `expired` or `failed`.
    state: &'static str,
    priority: Priority,
    audience: Audience,
    /// As its entry has it.
    #[schema(value_type = Object)]
    content: Box<RawValue>,
    /// The operator.
    created_by: String,
    /// Unix milliseconds.
    created_at: u64,
    starts_at: u64,
    expires_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<u64>,
    /// Users that it was for when it was taken; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<u64>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
}

/// Users, each counted once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// Users of whom a device has it. For notices to device types, roles or users: users who showed, read, clicked or
    /// dismissed it.
    delivered: u64,
    shown: u64,
    read: u64,
    clicked: u64,
    dismissed: u64,
    /// The hours in which users did something, in order; the first 720.
    by_hour: Vec<Hour>,
}

/// Users who did something with a notice for the first time in one hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hour {
    /// When the hour begins, in Unix milliseconds.
    at: u64,
    shown: u64,
    read: u64,
    clicked: u64,
    dismissed: u64,
}

impl Hour {
    fn read(hour: NoticeHour) -> Self {
        let NoticeHour { at_ms, shown, read, clicked, dismissed } = hour;
        Self { at: at_ms, shown, read, clicked, dismissed }
    }
}

impl SentNotice {
    fn read(notice: NoticeProto) -> Option<Self> {
        let state = match notice.state() {
            NoticeState::Waiting | NoticeState::Unspecified => "waiting",
            NoticeState::Sent => "sent",
            NoticeState::Withdrawn => "withdrawn",
            NoticeState::Expired => "expired",
            NoticeState::Failed => "failed",
        };
        let priority = match notice.priority() {
            NoticePriority::High => Priority::High,
            NoticePriority::Low => Priority::Low,
            NoticePriority::Normal | NoticePriority::Unspecified => Priority::Normal,
        };
        let some = |number: u64| (number > 0).then_some(number);
        Some(Self {
            id: Uuid::from_slice(&notice.id).ok()?,
            conversation_id: Uuid::from_slice(&notice.conversation_id).ok()?,
            seq: some(notice.seq),
            state,
            priority,
            audience: Audience::read(notice.audience.unwrap_or_default()),
            content: raw(notice.content.as_bytes())?,
            created_by: notice.created_by,
            created_at: notice.created_at_ms,
            starts_at: notice.starts_at_ms,
            expires_at: notice.expires_at_ms,
            withdrawn_at: some(notice.withdrawn_at_ms),
            targets: notice.targets,
            counts: notice.counts.map(|counts| Counts {
                delivered: counts.delivered,
                shown: counts.shown,
                read: counts.read,
                clicked: counts.clicked,
                dismissed: counts.dismissed,
                by_hour: counts.by_hour.into_iter().map(Hour::read).collect(),
            }),
        })
    }

    fn answer(notice: NoticeProto) -> Result<Json<Self>, ApiError> {
        let unreadable = || ApiError::from(tonic::Status::internal("a notice cannot be read"));
        Self::read(notice).map(Json).ok_or_else(unreadable)
    }
}

/// Takes a notice, which is sent when it is due. A user who is not connected gets it when they connect, until it ends.
#[utoipa::path(post, path = "/api/v1/admin/notices", operation_id = "send_notice", request_body = NewNotice,
    responses((status = 202, body = SentNotice), (status = 200, body = SentNotice, description = "A dry run"),
        (status = 409, body = ErrorBody, description = "Another notice has this id")))]
pub(super) async fn send(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Body(new): Body<NewNotice>,
) -> Result<(StatusCode, Json<SentNotice>), ApiError> {
    identity.require_admin()?;
    state
        .access
        .may_ask(&identity, &[(Account::Broadcasts, 1)])
        .map_err(|refused| ApiError::too_much(&refused).not_stored())?;
    let id = new.id.unwrap_or_else(Uuid::now_v7);
    if !new.dry_run {
        let details = serde_json::json!({ "title": new.title, "audience": new.audience });
        let target = ("notice.send", id.to_string());
        act.record(&state.services.audit, &identity, target, details).await?;
    }
    let data = new.data.map(|data| Value::Object(data).to_string()).unwrap_or_default();
    let (action_label, action_url) =
        new.action.map(|action| (action.label, action.url)).unwrap_or_default();
    let request = PostNoticeRequest {
        user_id: identity.user_id.to_string(),
        id: id.as_bytes().to_vec().into(),
        title: new.title,
        body: new.body,
        priority: match new.priority {
            Priority::High => NoticePriority::High,
            Priority::Normal => NoticePriority::Normal,
            Priority::Low => NoticePriority::Low,
        } as i32,
        display: match new.display {
            Display::User => NoticeDisplay::User,
            Display::Device => NoticeDisplay::Device,
            Display::Always => NoticeDisplay::Always,
        } as i32,
        audience: Some(new.audience.to_proto()?),
        action_label,
        action_url,
        data,
        starts_at_ms: moment(new.starts_at)?,
        expires_at_ms: moment(new.expires_at)?,
        dry_run: new.dry_run,
    };
    let notice = state.services.notices.clone().post(request).await?.into_inner();
    let status = if new.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, SentNotice::answer(notice)?))
}

/// A moment that a database can keep.
fn moment(ms: Option<u64>) -> Result<u64, ApiError> {
    let ms = ms.unwrap_or_default();
    let is_far = i64::try_from(ms).is_err();
    if is_far { Err(ApiError::invalid("a moment is in Unix milliseconds")) } else { Ok(ms) }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NoticePage {
    #[param(inline)]
    limit: Option<PageLimit>,
    /// `next` of the page before.
    #[serde(default)]
    before: String,
}

/// Notices, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notices {
    notices: Vec<SentNotice>,
    /// `before` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// All notices that were taken, the newest first.
#[utoipa::path(get, path = "/api/v1/admin/notices", operation_id = "list_notices", params(NoticePage),
    responses((status = 200, body = Notices)))]
pub(super) async fn list(
    State(state): State<HttpState>,
    identity: Identity,
    Query(page): Query<NoticePage>,
) -> Result<Json<Notices>, ApiError> {
    identity.require_admin()?;
    let request = ListNoticesRequest {
        user_id: identity.user_id.to_string(),
        limit: PageLimit::or(page.limit, 100),
        before: page.before,
    };
    let reply = state.services.notices.clone().list(request).await?.into_inner();
    let notices = reply.notices.into_iter().filter_map(SentNotice::read).collect();
    Ok(Json(Notices { notices, next: Some(reply.next).filter(|next| !next.is_empty()) }))
}

/// One notice with its counts.
#[utoipa::path(get, path = "/api/v1/admin/notices/{id}", operation_id = "show_notice",
    params(("id" = Uuid, Path)), responses((status = 200, body = SentNotice)))]
pub(super) async fn show(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<Uuid>,
) -> Result<Json<SentNotice>, ApiError> {
    identity.require_admin()?;
    let notice = state.services.notices.clone().get(named(&identity, id)).await?.into_inner();
    SentNotice::answer(notice)
}

/// Takes a notice back: nobody reads it any more, and devices that have it are told.
#[utoipa::path(delete, path = "/api/v1/admin/notices/{id}", operation_id = "withdraw_notice",
    params(("id" = Uuid, Path)), responses((status = 200, body = SentNotice)))]
pub(super) async fn withdraw(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<Uuid>,
) -> Result<Json<SentNotice>, ApiError> {
    identity.require_admin()?;
    let target = ("notice.withdraw", id.to_string());
    act.record(&state.services.audit, &identity, target, ()).await?;
    let notice = state.services.notices.clone().withdraw(named(&identity, id)).await?.into_inner();
    SentNotice::answer(notice)
}

/// Sends the offline push of a notice again: to the devices of users who are not connected and neither received the notice
/// nor showed or read it. At most once in a minute for each notice (`notices.resend_ms`).
#[utoipa::path(post, path = "/api/v1/admin/notices/{id}/resend_push", operation_id = "resend_notice_push",
    params(("id" = Uuid, Path)),
    responses((status = 202, body = SentNotice),
        (status = 409, body = ErrorBody, description = "It was withdrawn, has expired or was not sent yet, or nothing is pushed of it"),
        (status = 429, body = ErrorBody, description = "Its push was sent again a moment ago")))]
pub(super) async fn resend_push(
    State(state): State<HttpState>,
    identity: Identity,
    act: Act,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<SentNotice>), ApiError> {
    identity.require_admin()?;
    let target = ("notice.resend_push", id.to_string());
    act.record(&state.services.audit, &identity, target, ()).await?;
    let asked = state.services.notices.clone().resend_push(named(&identity, id)).await;
    let notice = asked.map_err(|status| {
        let error = ApiError::from(status);
        if error.is(ErrorCode::RateLimited) { error.at_limit("resends") } else { error }
    })?;
    Ok((StatusCode::ACCEPTED, SentNotice::answer(notice.into_inner())?))
}

/// Which receipts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReceiptPage {
    /// Only these.
    #[param(inline)]
    state: Option<Did>,
    /// `next` of the page before.
    #[serde(default)]
    after: String,
    #[param(inline)]
    limit: Option<PageLimit>,
}

/// What users did with a notice, by user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipts {
    receipts: Vec<NoticeReceipt>,
    /// `after` of the next page; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A user did something with a notice.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticeReceipt {
    user_id: String,
    state: Did,
    /// When first, in Unix milliseconds.
    at: u64,
}

/// What a user did with a notice.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Did {
    Shown,
    Read,
    Clicked,
    Dismissed,
}

impl Did {
    const ALL: [(Self, NoticeMark); 4] = [
        (Self::Shown, NoticeMark::Shown),
        (Self::Read, NoticeMark::Read),
        (Self::Clicked, NoticeMark::Clicked),
        (Self::Dismissed, NoticeMark::Dismissed),
    ];
}

/// What users did with a notice: at most 1,000 on a page.
#[utoipa::path(get, path = "/api/v1/admin/notices/{id}/receipts", operation_id = "notice_receipts",
    params(("id" = Uuid, Path), ReceiptPage), responses((status = 200, body = Receipts)))]
pub(super) async fn receipts(
    State(state): State<HttpState>,
    identity: Identity,
    Path(id): Path<Uuid>,
    Query(page): Query<ReceiptPage>,
) -> Result<Json<Receipts>, ApiError> {
    identity.require_admin()?;
    let mark = page.state.and_then(|asked| {
        let found = Did::ALL.iter().find(|(did, _)| *did as u8 == asked as u8);
        found.map(|(_, mark)| *mark)
    });
    let request = NoticeReceiptsRequest {
        user_id: identity.user_id.to_string(),
        id: id.as_bytes().to_vec().into(),
        mark: mark.unwrap_or_default() as i32,
        after: page.after,
        limit: PageLimit::or(page.limit, 1_000),
    };
    let reply = state.services.notices.clone().receipts(request).await?.into_inner();
    let receipts = reply.receipts.into_iter().filter_map(|receipt| {
        let state = Did::ALL.iter().find(|(_, mark)| *mark == receipt.mark())?.0;
        Some(NoticeReceipt { user_id: receipt.user, state, at: receipt.at_ms })
    });
    let next = Some(reply.next).filter(|next| !next.is_empty());
    Ok(Json(Receipts { receipts: receipts.collect(), next }))
}

fn named(identity: &Identity, id: Uuid) -> NoticeRequest {
    NoticeRequest { user_id: identity.user_id.to_string(), id: id.as_bytes().to_vec().into() }
}
