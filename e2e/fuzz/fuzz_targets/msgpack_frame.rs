//! Whatever a binary socket says is a frame or a refusal, and whatever a service says can be written for
//! it; never a panic, and never more JSON than allowed.
#![no_main]

use proto::frame::msgpack;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = msgpack::decode_client(bytes, 1 << 20) {
        // The refusal is told to the client.
        let _ = format!("{error:?}");
    }
    if let Ok(json) = msgpack::to_json(bytes, 32, 1 << 20) {
        assert!(json.len() <= 1 << 20);
        msgpack::from_json(json.as_bytes()).expect("what was written as JSON is JSON");
    }
    let _ = msgpack::from_json(bytes);
});
