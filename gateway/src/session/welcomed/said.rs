//! What a client says: the frames that are operations as what goes up, the others as they are.

use proto::frame::client::{
    Auth, Broadcast, ClientFrame, Cursor, Read, Show, Signal, Status, Sync, Typing,
};
use proto::id::ClientId;

use crate::identity::Identity;
use crate::operations;
use crate::operations::Asked;

/// A frame of a client.
pub(super) enum Said {
    /// It appends to a log: it is answered, and has a client id.
    Operation(Asked),
    Auth(Auth),
    Ping,
    Sync(Sync),
    Delivered(Cursor),
    Read(Read),
    Typing(Typing),
    Status(Status),
    Signal(Signal),
    Show(Show),
    Broadcast(Broadcast),
}

/// What the answer to a frame repeats.
#[derive(Default)]
pub(super) struct Named {
    pub(super) reference: Option<String>,
    pub(super) client_id: Option<ClientId>,
}

impl Said {
    /// Sorts a frame. Those that are operations have a line each.
    pub(super) fn of(identity: &Identity, frame: ClientFrame) -> Self {
        match frame {
            ClientFrame::Send(frame) => {
                Self::Operation(operations::send::of_frame(identity, frame))
            }
            ClientFrame::Pin(frame) => Self::Operation(operations::pin::of_frame(frame)),
            ClientFrame::Forward(frame) => Self::Operation(operations::forward::of_frame(frame)),
            ClientFrame::Edit(frame) => {
                Self::Operation(operations::edit::of_frame(identity, frame))
            }
            ClientFrame::Delete(frame) => Self::Operation(operations::delete::of_frame(frame)),
            ClientFrame::React(frame) => Self::Operation(operations::react::of_frame(frame)),
            ClientFrame::Set(frame) => Self::Operation(operations::set::of_frame(identity, frame)),
            ClientFrame::Draft(frame) => {
                Self::Operation(operations::draft::of_frame(identity, frame))
            }
            ClientFrame::Act(frame) => Self::Operation(operations::act::of_frame(identity, frame)),
            ClientFrame::Auth(auth) => Self::Auth(auth),
            ClientFrame::Ping => Self::Ping,
            ClientFrame::Sync(sync) => Self::Sync(sync),
            ClientFrame::Delivered(cursor) => Self::Delivered(cursor),
            ClientFrame::Read(cursor) => Self::Read(cursor),
            ClientFrame::Typing(typing) => Self::Typing(typing),
            ClientFrame::Status(status) => Self::Status(status),
            ClientFrame::Signal(signal) => Self::Signal(signal),
            ClientFrame::Show(show) => Self::Show(show),
            ClientFrame::Broadcast(broadcast) => Self::Broadcast(broadcast),
        }
    }

    /// What its answer repeats.
    pub(super) fn named(&self) -> Named {
        let only =
            |reference: &Option<String>| Named { reference: reference.clone(), client_id: None };
        match self {
            Self::Operation(asked) => {
                Named { client_id: Some(asked.client_id), ..only(&asked.reference) }
            }
            Self::Sync(sync) => only(&sync.r#ref),
            Self::Signal(signal) => only(&signal.r#ref),
            Self::Broadcast(said) => Named { client_id: Some(said.client_id), ..only(&said.r#ref) },
            Self::Show(show) => Named { client_id: Some(show.client_id), ..only(&show.r#ref) },
            Self::Auth(_)
            | Self::Ping
            | Self::Delivered(_)
            | Self::Read(_)
            | Self::Typing(_)
            | Self::Status(_) => Named::default(),
        }
    }
}
