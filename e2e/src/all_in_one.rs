//! The all-in-one binary in a data folder of its own.

use std::path::Path;

use crate::process::{Process, binary, command};
use crate::second_tenant;

/// Starts `tidings serve` on a free port of loopback, with its data under `folder`.
pub async fn serve(label: &str, folder: &Path) -> Process {
    serve_on(label, folder, "127.0.0.1:0").await
}

/// The same on a given address, to come back where clients look for it.
pub async fn serve_on(label: &str, folder: &Path, listen: &str) -> Process {
    serve_with(label, folder, listen, &[]).await
}

/// The same with settings from the environment.
pub async fn serve_with(
    label: &str,
    folder: &Path,
    listen: &str,
    settings: &[(&str, &str)],
) -> Process {
    start(&binary("tidings"), label, folder, listen, settings).await
}

/// The same by a binary from elsewhere, on a free port.
pub async fn serve_by(
    program: &Path,
    label: &str,
    folder: &Path,
    settings: &[(&str, &str)],
) -> Process {
    start(program, label, folder, "127.0.0.1:0", settings).await
}

async fn start(
    program: &Path,
    label: &str,
    folder: &Path,
    listen: &str,
    settings: &[(&str, &str)],
) -> Process {
    let data = folder.to_str().expect("test folders have plain names");
    let arguments =
        ["serve", "--listen", listen, "--management-listen", "127.0.0.1:0", "--data", data];
    let mut settings: Vec<_> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    // Binaries of before may know no tenants.
    if program == binary("tidings") {
        settings.extend(second_tenant::setting("TIDINGS__", &settings));
    }
    Process::start_at(label, program, &arguments, &settings).await
}

/// A token from `tidings token`: what it prints, and nothing else.
pub async fn token(folder: &Path, user: &str) -> String {
    printed(folder, &["--user", user]).await
}

/// A token with the role admin.
pub async fn token_of_operator(folder: &Path) -> String {
    printed(folder, &["--user", "operator", "--role", "admin"]).await
}

async fn printed(folder: &Path, arguments: &[&str]) -> String {
    let data = folder.to_str().expect("test folders have plain names");
    let arguments = [&["token", "--data", data], arguments].concat();
    let output = command("tidings", &arguments, &[]).output().await.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a token is ASCII").trim_end_matches('\n').to_owned()
}
