//! Whatever a socket says is a frame or a refusal, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = proto::frame::decode_client(text) {
        // The refusal is told to the client.
        let _ = format!("{error:?}");
    }
});
