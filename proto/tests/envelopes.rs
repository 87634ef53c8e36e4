//! Properties of the bus envelopes: any bytes are a batch or an error, and a batch of a newer build
//! is read by an older one.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use proto::bus::{
    AddMembers, AdvanceCursor, Answer, AskWritten, ChannelPush, CreateConversation, EntryPush,
    Finding, Frame, FrameBatch, FramePush, Operation, Origin, Profile, Push, PushBatch, Refused,
    Rename, Replaced, Send, Sent, SetStatus, Typing, Written, answer, finding, frame,
    operation::Action, push,
};
use proto::common::GatewayRef;

fn blob() -> impl Strategy<Value = bytes::Bytes> {
    vec(any::<u8>(), 0..40).prop_map(bytes::Bytes::from)
}

fn action() -> impl Strategy<Value = Action> {
    let words = || vec(any::<String>(), 0..4);
    let send = (any::<String>(), any::<u64>(), words(), any::<i32>());
    prop_oneof![
        send.prop_map(|(content, reply_to, mentions, device_type)| {
            Action::Send(Send {
                content,
                reply_to,
                mentions,
                device_type,
                important: true,
                ..Send::default()
            })
        }),
        (any::<String>(), words(), any::<i32>()).prop_map(|(title, member_ids, kind)| {
            Action::CreateConversation(CreateConversation { kind, title, member_ids })
        }),
        (words(), any::<i32>())
            .prop_map(|(user_ids, role)| Action::AddMembers(AddMembers { user_ids, role })),
        any::<String>().prop_map(|title| Action::Rename(Rename { title })),
    ]
}

fn body() -> impl Strategy<Value = frame::Body> {
    let operation = (blob(), any::<String>(), prop::option::of(action()));
    prop_oneof![
        operation.prop_map(|(conversation_id, refusal, action)| {
            frame::Body::Operation(Operation { conversation_id, refusal, action })
        }),
        (blob(), any::<[u64; 4]>()).prop_map(
            |(conversation_id, [delivered_seq, read_seq, thread, thread_read_seq])| {
                frame::Body::AdvanceCursor(AdvanceCursor {
                    conversation_id,
                    delivered_seq,
                    read_seq,
                    quiet: read_seq % 2 == 0,
                    thread,
                    thread_read_seq,
                })
            }
        ),
        (blob(), any::<bool>()).prop_map(|(conversation_id, on)| {
            frame::Body::Typing(Typing { conversation_id, on })
        }),
        any::<String>().prop_map(|status| frame::Body::SetStatus(SetStatus { status })),
        Just(frame::Body::Profile(Profile {})),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let origin = (any::<u64>(), any::<String>(), any::<i32>(), any::<bool>());
    let origin = origin.prop_map(|(connection, user_id, device_type, admin)| Origin {
        connection,
        user_id,
        device_type,
        admin,
        bot: !admin,
        ..Origin::default()
    });
    let text = any::<String>;
    (prop::option::of(origin), text(), text(), blob(), prop::option::of(body())).prop_map(
        |(origin, traceparent, r#ref, client_id, body)| Frame {
            origin,
            traceparent,
            r#ref,
            client_id,
            body,
        },
    )
}

fn frames() -> impl Strategy<Value = FrameBatch> {
    let gateway = (any::<String>(), any::<u64>()).prop_map(|(id, epoch)| GatewayRef { id, epoch });
    (prop::option::of(gateway), vec(frame(), 0..8), any::<u64>())
        .prop_map(|(gateway, frames, oldest_ms)| FrameBatch { gateway, frames, oldest_ms })
}

fn pushed() -> impl Strategy<Value = push::Body> {
    let connections = || vec(any::<u64>(), 0..5);
    let sent = (blob(), blob(), any::<u64>(), any::<bool>()).prop_map(
        |(conversation_id, id, seq, unchanged)| {
            answer::Outcome::Sent(Sent {
                conversation_id,
                id,
                seq,
                timestamp: seq,
                unchanged,
                tallied: unchanged && seq % 2 == 1,
            })
        },
    );
    let refused = (any::<String>(), any::<bool>(), prop::option::of(any::<u64>())).prop_map(
        |(message, maybe_stored, retry_after_ms)| {
            answer::Outcome::Refused(Refused {
                message,
                maybe_stored,
                retry_after_ms,
                ..Refused::default()
            })
        },
    );
    let outcome = prop::option::of(prop_oneof![sent, refused]);
    let channel =
        prop::option::of((any::<String>(), blob()).prop_map(|(sender, blank)| ChannelPush {
            sender,
            blank,
            ..ChannelPush::default()
        }));
    prop_oneof![
        (any::<u64>(), blob(), outcome).prop_map(|(connection, client_id, outcome)| {
            push::Body::Answer(Answer { connection, client_id, outcome, ..Answer::default() })
        }),
        (connections(), blob(), any::<u64>(), channel).prop_map(
            |(connections, frame, seq, channel)| {
                push::Body::Entry(EntryPush {
                    connections,
                    frame,
                    seq,
                    channel,
                    ..EntryPush::default()
                })
            }
        ),
        (connections(), blob(), any::<i32>()).prop_map(|(connections, frame, class)| {
            push::Body::Frame(FramePush { connections, frame, class })
        }),
        connections().prop_map(|connections| push::Body::Replaced(Replaced { connections })),
        (any::<u64>(), any::<String>()).prop_map(|(connection, gateway_id)| {
            let finding = finding::Finding::Written(Written { gateway_id, connections: vec![] });
            push::Body::Finding(Finding { connection, finding: Some(finding) })
        }),
        (connections(), blob()).prop_map(|(connections, conversation_id)| {
            push::Body::AskWritten(AskWritten {
                connections,
                conversation_id,
                ..AskWritten::default()
            })
        }),
    ]
}

fn pushes() -> impl Strategy<Value = PushBatch> {
    let push = (any::<String>(), prop::option::of(pushed()))
        .prop_map(|(traceparent, body)| Push { traceparent, body });
    vec(push, 0..8).prop_map(|pushes| PushBatch { pushes })
}

/// A field that no build knows yet: number 5000, of each wire type.
fn unknown() -> impl Strategy<Value = Vec<u8>> {
    const NUMBER: u32 = 5000;
    let key = |wire: u32| {
        let mut key = Vec::new();
        prost::encoding::encode_varint(u64::from(NUMBER << 3 | wire), &mut key);
        key
    };
    prop_oneof![
        any::<u64>().prop_map(move |value| {
            let mut field = key(0);
            prost::encoding::encode_varint(value, &mut field);
            field
        }),
        any::<[u8; 8]>().prop_map(move |value| [key(1), value.to_vec()].concat()),
        vec(any::<u8>(), 0..100)
            .prop_map(move |value| [key(2), vec![value.len() as u8], value].concat()),
        any::<[u8; 4]>().prop_map(move |value| [key(5), value.to_vec()].concat()),
    ]
}

proptest! {
    #[test]
    fn frames_are_read_as_they_were_written(batch in frames()) {
        let bytes = batch.encode_to_vec();
        prop_assert_eq!(bytes.len(), batch.encoded_len());
        prop_assert_eq!(FrameBatch::decode(bytes.as_slice()).unwrap(), batch);
    }

    #[test]
    fn pushes_are_read_as_they_were_written(batch in pushes()) {
        prop_assert_eq!(PushBatch::decode(batch.encode_to_vec().as_slice()).unwrap(), batch);
    }

    #[test]
    fn any_bytes_are_a_batch_or_an_error(bytes in vec(any::<u8>(), 0..600)) {
        // What is understood can be written and read again.
        if let Ok(batch) = FrameBatch::decode(bytes.as_slice()) {
            prop_assert_eq!(FrameBatch::decode(batch.encode_to_vec().as_slice()).unwrap(), batch);
        }
        if let Ok(batch) = PushBatch::decode(bytes.as_slice()) {
            prop_assert_eq!(PushBatch::decode(batch.encode_to_vec().as_slice()).unwrap(), batch);
        }
    }

    #[test]
    fn a_batch_changed_or_cut_anywhere_is_a_batch_or_an_error(
        batch in frames(), pushes in pushes(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        for mut bytes in [batch.encode_to_vec(), pushes.encode_to_vec()] {
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            let _ = (FrameBatch::decode(&bytes[..at]), PushBatch::decode(&bytes[..at]));
            bytes[at] = byte;
            let _ = (FrameBatch::decode(bytes.as_slice()), PushBatch::decode(bytes.as_slice()));
        }
    }

    #[test]
    fn fields_of_a_newer_build_are_passed_over(batch in frames(), pushes in pushes(), before in unknown(), after in unknown()) {
        let around = |bytes: Vec<u8>| [before.clone(), bytes, after.clone()].concat();
        let read = FrameBatch::decode(around(batch.encode_to_vec()).as_slice()).unwrap();
        prop_assert_eq!(read, batch);
        let read = PushBatch::decode(around(pushes.encode_to_vec()).as_slice()).unwrap();
        prop_assert_eq!(read, pushes);
    }

    #[test]
    fn a_body_of_a_newer_build_is_a_frame_without_one_that_can_be_answered(
        r#ref in any::<String>(), client_id in blob(), conversation_id in blob(), unknown in unknown(),
    ) {
        let known = Frame { r#ref, client_id, ..Frame::default() };
        let bytes = [known.encode_to_vec(), unknown.clone()].concat();
        prop_assert_eq!(Frame::decode(bytes.as_slice()).unwrap(), known.clone());
        // An action of a newer build.
        let operation = Operation { conversation_id, ..Operation::default() };
        let bytes = [operation.encode_to_vec(), unknown].concat();
        let read = Operation::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(read, operation);
    }

    #[test]
    fn a_length_that_lies_is_an_error_and_takes_no_memory(length in 1_000_u64.., rest in vec(any::<u8>(), 0..100)) {
        // Field 2 of a batch of frames, field 1 of a batch of pushes, as long as it says it is.
        for key in [0x12_u8, 0x0a] {
            let mut bytes = vec![key];
            prost::encoding::encode_varint(length, &mut bytes);
            bytes.extend(&rest);
            prop_assert!(FrameBatch::decode(bytes.as_slice()).is_err());
            prop_assert!(PushBatch::decode(bytes.as_slice()).is_err() || key == 0x12);
        }
    }
}

#[test]
fn groups_nested_a_hundred_thousand_deep_are_an_error() {
    // Groups are the one thing in the format that nests without a length.
    let bytes = vec![0x0b; 100_000];
    assert!(FrameBatch::decode(bytes.as_slice()).is_err());
    let unknown = vec![0x7b; 100_000];
    assert!(PushBatch::decode(unknown.as_slice()).is_err());
}
