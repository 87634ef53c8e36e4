//! Whatever a body on the bus is, it is decoded or refused; what is decoded is encoded again without loss,
//! and every frame of it is an operation, a refusal, or none.
#![no_main]

use chat_service::domain::letter::{DeadLetter, frame_id};
use chat_service::domain::operation;
use prost::Message;
use proto::bus::{FrameBatch, PushBatch};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Ok(batch) = PushBatch::decode(body) {
        assert_eq!(PushBatch::decode(&batch.encode_to_vec()[..]).as_ref(), Ok(&batch));
    }
    let Ok(batch) = FrameBatch::decode(body) else { return };
    assert_eq!(FrameBatch::decode(&batch.encode_to_vec()[..]).as_ref(), Ok(&batch));
    for frame in batch.frames {
        let letter = DeadLetter::of_frame(batch.gateway.clone(), frame.clone(), 0, "fuzzed", 0);
        assert_eq!(letter.id, frame_id(&frame));
        if let (Some(origin), Some(body)) = (frame.origin, frame.body) {
            let _ = operation::reference(&body);
            let _ = operation::parse(&origin, body);
        }
    }
});
