//! What a look-up costs: `Locate` of 500 users a call, over gRPC and Redis, in CPU-µs per user of the
//! service and of Redis. Starts the real binary; `cargo bench -p presence-service`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first failure"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use proto::common::GatewayRef;
use proto::presence::presence_client::PresenceClient;
use proto::presence::{Connected, LocateRequest, ReportRequest};
use tonic::transport::Channel;

const USERS: usize = 20_000;
const USERS_PER_CALL: usize = 500;
const GATEWAYS: u64 = 4;
const MEASURED: Duration = Duration::from_secs(5);

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this benchmark that reads the environment"
)]
fn redis_url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned())
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // Either may fail only because it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(prefix: &str) -> (Service, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_presence-service"))
        .envs([
            ("TIDINGS_PRESENCE__GRPC_LISTEN", "127.0.0.1:0"),
            ("TIDINGS_PRESENCE__MANAGEMENT_LISTEN", "127.0.0.1:0"),
            ("TIDINGS_PRESENCE__REDIS__URL", &redis_url()),
            ("TIDINGS_PRESENCE__REDIS__PREFIX", prefix),
            // Looking up needs no broker.
            ("TIDINGS_PRESENCE__AMQP__URL", "amqp://127.0.0.1:9/%2f"),
            ("TIDINGS_PRESENCE__TELEMETRY__LOG_FILTER", "error"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("grpc=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (Service(child), format!("http://{address}"))
}

/// User and system time so far, in microseconds.
fn cpu_us(pid: u32) -> f64 {
    platform::usage::of(pid).unwrap().cpu_seconds * 1e6
}

async fn redis() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn register(client: &mut PresenceClient<Channel>) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let started = Instant::now();
    for epoch in 0..GATEWAYS {
        let of_gateway = (0..USERS as u64 * 3 / 2).filter(|number| number % GATEWAYS == epoch);
        let connected: Vec<Connected> = of_gateway
            .map(|number| Connected {
                connection: number,
                user_id: format!("user-{}", number % USERS as u64),
                device_id: uuid::Uuid::now_v7().to_string(),
                device_type: 1,
                connected_at_ms: now,
                ip: "192.0.2.1".to_owned(),
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101".to_owned(),
            })
            .collect();
        for chunk in connected.chunks(500) {
            let gateway = Some(GatewayRef { id: format!("gateway-{epoch}"), epoch });
            let connected = chunk.to_vec();
            let report = ReportRequest { gateway, connected, ..ReportRequest::default() };
            while client.report(report.clone()).await.is_err() {
                assert!(started.elapsed() < Duration::from_secs(20), "the service is not there");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    started.elapsed()
}

async fn locate(client: &PresenceClient<Channel>, parallel: usize) -> u64 {
    let until = Instant::now() + MEASURED;
    let calls = (0..parallel).map(|worker| {
        let mut client = client.clone();
        async move {
            let mut calls = 0_u64;
            while Instant::now() < until {
                // A stride that is prime to the count: every user in turn, far apart.
                let first = worker * 7_919 + calls as usize * USERS_PER_CALL;
                let user_ids = (0..USERS_PER_CALL)
                    .map(|index| format!("user-{}", (first + index) * 7_919 % USERS))
                    .collect();
                let reply = client.locate(LocateRequest { user_ids }).await.unwrap().into_inner();
                assert_eq!(reply.device_counts.len(), USERS_PER_CALL);
                calls += 1;
            }
            calls
        }
    });
    join_all(calls).await.into_iter().sum()
}

#[tokio::main]
async fn main() {
    let prefix = format!("tidings-presence-bench-{}", uuid::Uuid::new_v4().simple());
    let mut connection = redis().await;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap();
    let redis_pid: u32 =
        info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().parse().unwrap();
    let (service, url) = start(&prefix);
    let channel = Channel::from_shared(url).unwrap().tcp_nodelay(true).connect().await.unwrap();
    let mut client = PresenceClient::new(channel);

    let before = (cpu_us(service.0.id()), cpu_us(redis_pid));
    let took = register(&mut client).await;
    let registered = USERS as f64 * 1.5;
    println!(
        "register, 500 a report: {:.0}/s, CPU-us each: service {:.1}, redis {:.1}",
        registered / took.as_secs_f64(),
        (cpu_us(service.0.id()) - before.0) / registered,
        (cpu_us(redis_pid) - before.1) / registered,
    );
    println!("locate, {USERS_PER_CALL} users a call, 1.5 devices each, CPU-us per user:");
    for parallel in [1, 4, 8] {
        let before = (cpu_us(service.0.id()), cpu_us(redis_pid), cpu_us(std::process::id()));
        let calls = locate(&client, parallel).await;
        let users = (calls * USERS_PER_CALL as u64) as f64;
        let service_us = (cpu_us(service.0.id()) - before.0) / users;
        let redis_us = (cpu_us(redis_pid) - before.1) / users;
        println!(
            "  {parallel} at once: {:>6.0} calls/s; service {service_us:.2} + redis {redis_us:.2} \
             = {:.2}; caller {:.2}",
            calls as f64 / MEASURED.as_secs_f64(),
            service_us + redis_us,
            (cpu_us(std::process::id()) - before.2) / users,
        );
    }
    drop(service);
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{prefix}*")).query_async(&mut connection).await.unwrap();
    for chunk in keys.chunks(1_000) {
        let () = redis::cmd("DEL").arg(chunk).query_async(&mut connection).await.unwrap();
    }
}
