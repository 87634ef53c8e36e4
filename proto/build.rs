//! Compiles the protobuf contracts with a compiler written in Rust: no system `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "protos/tidings/bus/v1/bus.proto",
        "protos/tidings/chat/v1/audit.proto",
        "protos/tidings/chat/v1/chat.proto",
        "protos/tidings/chat/v1/chosen.proto",
        "protos/tidings/chat/v1/dead_letters.proto",
        "protos/tidings/chat/v1/events.proto",
        "protos/tidings/chat/v1/followers.proto",
        "protos/tidings/chat/v1/notices.proto",
        "protos/tidings/chat/v1/overview.proto",
        "protos/tidings/chat/v1/push_devices.proto",
        "protos/tidings/chat/v1/revocations.proto",
        "protos/tidings/chat/v1/webhooks.proto",
        "protos/tidings/common/v1/common.proto",
        "protos/tidings/presence/v1/presence.proto",
    ];
    println!("cargo:rerun-if-changed=protos");
    let descriptors = protox::compile(files, ["protos"])?;
    write_methods(&files)?;
    // `Bytes` instead of `Vec<u8>`: a pushed frame is shared by all its sockets, never copied.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}

/// The names of the methods of all services of a package, as `methods.rs` of it: no generated code lists them.
#[expect(clippy::disallowed_methods, reason = "so a build script is told its folder")]
fn write_methods(files: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    for package in ["chat", "presence"] {
        let mut methods = Vec::new();
        let folder = format!("protos/tidings/{package}/");
        for file in files.iter().filter(|file| file.starts_with(&folder)) {
            let text = std::fs::read_to_string(file)?;
            let calls = text.lines().filter_map(|line| line.trim_start().strip_prefix("rpc "));
            methods.extend(calls.filter_map(|it| Some(it.split_once('(')?.0.trim().to_owned())));
        }
        let text = format!(
            "/// Of all services of this package.\npub const METHODS: &[&str] = &{methods:?};\n"
        );
        let to =
            std::path::Path::new(&std::env::var("OUT_DIR")?).join(format!("{package}_methods.rs"));
        std::fs::write(to, text)?;
    }
    Ok(())
}
