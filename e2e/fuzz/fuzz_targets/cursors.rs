//! Whatever a device says that it has: a sync or a refusal.
#![no_main]

libfuzzer_sys::fuzz_target!(|cursors: &str| {
    let _ = proto::frame::decode_client(&format!(r#"{{"type":"sync","cursors":{cursors}}}"#));
    let _ = proto::frame::decode_client(&format!(r#"{{"type":"delivered",{cursors}}}"#));
});
