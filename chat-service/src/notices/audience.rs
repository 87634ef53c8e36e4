//! Whom a notice is for, as it travels: what was asked for is read, what is kept is written.

use proto::common::NoticeAudience;
use proto::error_code::ErrorCode;
use proto::id::ConversationId;

use crate::domain::conversation::Refusal;
use crate::domain::notice::{Asked, Audience};

/// Reads what was asked for.
pub(crate) fn read(asked: NoticeAudience) -> Result<Audience, Refusal> {
    let NoticeAudience { all, device_types, roles, conversation_id, users } = asked;
    let conversation =
        match &conversation_id[..] {
            [] => None,
            bytes => Some(ConversationId::from_bytes(bytes).map_err(|_| {
                Refusal::new(ErrorCode::Invalid, "`audience.conversation` is a UUID")
            })?),
        };
    let device_types = device_types.into_iter().map(i64::from).collect();
    Audience::read(Asked { all, device_types, roles, conversation, users })
}

/// As gateways and operators are told.
pub(crate) fn write(audience: &Audience) -> NoticeAudience {
    let none = NoticeAudience::default();
    match audience {
        Audience::All => NoticeAudience { all: true, ..none },
        Audience::DeviceTypes(codes) => NoticeAudience {
            device_types: codes.iter().map(|code| i32::from(*code)).collect(),
            ..none
        },
        Audience::Roles(roles) => NoticeAudience { roles: roles.clone(), ..none },
        Audience::Conversation(id) => NoticeAudience { conversation_id: id.to_bytes(), ..none },
        Audience::Users(users) => {
            NoticeAudience { users: users.iter().map(ToString::to_string).collect(), ..none }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let none = NoticeAudience::default();
        for asked in [
            NoticeAudience { all: true, ..none.clone() },
            NoticeAudience { device_types: vec![2, 3], ..none.clone() },
            NoticeAudience { roles: vec!["vip".to_owned()], ..none.clone() },
            NoticeAudience {
                conversation_id: ConversationId::generate().to_bytes(),
                ..none.clone()
            },
            NoticeAudience { users: vec!["ann".to_owned(), "bob".to_owned()], ..none.clone() },
        ] {
            assert_eq!(write(&read(asked.clone()).unwrap()), asked);
        }
        assert!(read(none).is_err());
    }
}
