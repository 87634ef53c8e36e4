//! Serves the echo for the conformance suite: `cargo run -p gateway --features echo --example echo`.

use platform::shutdown::Tasks;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening ws={}", listener.local_addr()?);
    gateway::echo::serve(listener, &Tasks::new()).await?;
    Ok(())
}
