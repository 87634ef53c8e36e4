//! Operations of a client: handed up, and their answers waited for.

use proto::error_code::ErrorCode;

use super::super::in_flight::Request;
use super::Session;
use crate::operations::{Asked, NotTaken};

impl Session {
    pub(super) fn operate(&mut self, asked: Asked) {
        let Asked { reference, client_id, operation } = asked;
        let operation = match operation {
            Ok(operation) => operation,
            Err(text) => {
                return self.refuse(reference, Some(client_id), ErrorCode::Invalid, text);
            }
        };
        if self.is_ending() {
            return self.refuse_away(reference, Some(client_id));
        }
        let (at, bytes) = (operation.conversation_id(), operation.bytes());
        let said = reference.as_deref();
        match self.context.operations.submit(self.origin(), said, client_id, operation) {
            Ok(awaiting) => {
                self.tell_held_of(at);
                let client_id = client_id.to_bytes();
                self.in_flight.add(Request { client_id, reference, bytes, awaiting });
            }
            Err(NotTaken::Busy(wait)) => self.refuse_busy(reference, client_id, wait),
            Err(NotTaken::Away) => self.refuse_away(reference, Some(client_id)),
        }
    }
}
