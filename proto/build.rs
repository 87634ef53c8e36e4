//! Compiles the protobuf contracts with a compiler written in Rust: no system `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "protos/tidings/bus/v1/bus.proto",
        "protos/tidings/chat/v1/chat.proto",
        "protos/tidings/chat/v1/chosen.proto",
        "protos/tidings/chat/v1/dead_letters.proto",
        "protos/tidings/chat/v1/revocations.proto",
        "protos/tidings/presence/v1/presence.proto",
    ];
    println!("cargo:rerun-if-changed=protos");
    let descriptors = protox::compile(files, ["protos"])?;
    // `Bytes` instead of `Vec<u8>`: a pushed frame is shared by all its sockets, never copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
