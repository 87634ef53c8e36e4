//! Every contract on a wire: the protobuf messages of the bus and of gRPC, the client frames, the
//! identifiers and the closed list of error codes.
//!
//! Must not do I/O and must not decide anything: it encodes, decodes and refuses what is malformed.
//!
//! Changing a contract: add fields, never reuse a number or a name, and let the old build read what
//! the new one writes, because both run at once during a rolling update.

pub mod error_code;
pub mod frame;
pub mod hash;
pub mod heads;
pub mod id;
pub mod limits;
pub mod name;
pub mod partition;
pub mod user;

/// Generated from `protos/tidings/bus/v1/bus.proto`.
#[expect(missing_docs, reason = "generated; the .proto file is the documentation")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod bus {
    tonic::include_proto!("tidings.bus.v1");
}

/// Generated from `protos/tidings/chat/v1/chat.proto`.
#[expect(missing_docs, reason = "generated; the .proto file is the documentation")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod chat {
    tonic::include_proto!("tidings.chat.v1");
    include!(concat!(env!("OUT_DIR"), "/chat_methods.rs"));
}

/// Generated from `protos/tidings/presence/v1/presence.proto`.
#[expect(missing_docs, reason = "generated; the .proto file is the documentation")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod presence {
    tonic::include_proto!("tidings.presence.v1");
    include!(concat!(env!("OUT_DIR"), "/presence_methods.rs"));
}
