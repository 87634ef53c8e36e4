//! Every contract on a wire: the protobuf messages of the bus and of gRPC, the client frames, the
//! identifiers and the closed list of error codes.
//!
//! Must not do I/O and must not decide anything: it encodes, decodes and refuses what is malformed.
//!
//! Changing a contract: add fields, never reuse a number or a name, and let the old build read what
//! the new one writes, because both run at once during a rolling update.

#[cfg(test)]
mod asyncapi;
pub mod close_code;
mod envelope;
pub mod error_code;
pub mod frame;
pub mod hash;
pub mod heads;
pub mod id;
pub mod limits;
pub mod name;
mod notice;
pub mod partition;
pub mod user;

/// Generated from `protos/tidings`: the modules stand to each other as the packages do, since one names another's messages.
#[expect(missing_docs, reason = "generated; the .proto files are the documentation")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
mod tidings {
    pub mod bus {
        pub mod v1 {
            tonic::include_proto!("tidings.bus.v1");
        }
    }
    pub mod chat {
        pub mod v1 {
            tonic::include_proto!("tidings.chat.v1");
            include!(concat!(env!("OUT_DIR"), "/chat_methods.rs"));
        }
    }
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("tidings.common.v1");
        }
    }
    pub mod presence {
        pub mod v1 {
            tonic::include_proto!("tidings.presence.v1");
            include!(concat!(env!("OUT_DIR"), "/presence_methods.rs"));
        }
    }
}

pub use tidings::bus::v1 as bus;
pub use tidings::chat::v1 as chat;
pub use tidings::common::v1 as common;
pub use tidings::presence::v1 as presence;
