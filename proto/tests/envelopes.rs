//! Properties of the bus envelopes: any bytes are a batch or an error, and a batch of a newer build
//! is read by an older one.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use proto::bus::{
    AddMembers, AdvanceCursor, CreateConversation, Frame, FrameBatch, GatewayRef, Origin, Profile,
    Push, PushBatch, Send, SetStatus, Typing, frame::Body,
};

fn blob() -> impl Strategy<Value = bytes::Bytes> {
    vec(any::<u8>(), 0..40).prop_map(bytes::Bytes::from)
}

fn body() -> impl Strategy<Value = Body> {
    let words = || vec(any::<String>(), 0..4);
    let send =
        (any::<String>(), blob(), blob(), any::<String>(), any::<u64>(), words(), any::<i32>());
    prop_oneof![
        send.prop_map(
            |(text, client_id, conversation_id, content, reply_to, mentions, device_type)| {
                Body::Send(Send {
                    r#ref: text,
                    client_id,
                    conversation_id,
                    content,
                    reply_to,
                    mentions,
                    device_type,
                    important: true,
                    ..Send::default()
                })
            }
        ),
        (blob(), any::<String>(), words(), any::<i32>()).prop_map(
            |(client_id, title, member_ids, kind)| {
                Body::CreateConversation(CreateConversation {
                    client_id,
                    title,
                    member_ids,
                    kind,
                    ..CreateConversation::default()
                })
            }
        ),
        (words(), any::<i32>()).prop_map(|(user_ids, role)| {
            Body::AddMembers(AddMembers { user_ids, role, ..AddMembers::default() })
        }),
        (blob(), any::<u64>(), any::<u64>()).prop_map(
            |(conversation_id, delivered_seq, read_seq)| {
                Body::AdvanceCursor(AdvanceCursor {
                    conversation_id,
                    delivered_seq,
                    read_seq,
                    quiet: read_seq % 2 == 0,
                })
            }
        ),
        (blob(), any::<bool>())
            .prop_map(|(conversation_id, on)| Body::Typing(Typing { conversation_id, on })),
        any::<String>().prop_map(|status| Body::SetStatus(SetStatus { status })),
        Just(Body::Profile(Profile {})),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let origin = (any::<u64>(), any::<String>(), any::<i32>(), any::<bool>());
    let origin = origin.prop_map(|(connection, user_id, device_type, admin)| Origin {
        connection,
        user_id,
        device_type,
        admin,
        ..Origin::default()
    });
    (prop::option::of(origin), any::<String>(), prop::option::of(body()))
        .prop_map(|(origin, traceparent, body)| Frame { origin, traceparent, body })
}

fn frames() -> impl Strategy<Value = FrameBatch> {
    let gateway = (any::<String>(), any::<u64>()).prop_map(|(id, epoch)| GatewayRef { id, epoch });
    (prop::option::of(gateway), vec(frame(), 0..8), any::<u64>())
        .prop_map(|(gateway, frames, oldest_ms)| FrameBatch { gateway, frames, oldest_ms })
}

fn pushes() -> impl Strategy<Value = PushBatch> {
    let push = (vec(any::<u64>(), 0..5), blob(), any::<i32>(), any::<String>(), blob()).prop_map(
        |(connections, frame, class, traceparent, answers)| Push {
            connections,
            frame,
            class,
            traceparent,
            answers,
            ..Push::default()
        },
    );
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
    fn a_body_of_a_newer_build_is_a_frame_without_one(traceparent in any::<String>(), unknown in unknown()) {
        let known = Frame { traceparent, ..Frame::default() };
        let bytes = [known.encode_to_vec(), unknown].concat();
        prop_assert_eq!(Frame::decode(bytes.as_slice()).unwrap(), known);
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
