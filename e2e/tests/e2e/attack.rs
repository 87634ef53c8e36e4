//! Users who misbehave within and up against their limits, beside other people's messages.

use std::time::Duration;

use e2e::cluster::Cluster;
use e2e::load::Load;
use e2e::machine;
use e2e::process::command;
use e2e::token::SECRET;

/// Resident memory of a server process under attack, in MiB: the bound of docs/operations.md.
const MOST_MIB: f64 = 512.0;

#[tokio::test]
async fn fifteen_attackers_refuse_close_and_delay_nobody_else() {
    machine::alone();
    // Nobody is exempt from limits, whatever the address.
    let nobody = [("TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS", "[]")];
    let cluster = Cluster::start_with("attack", &nobody).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    // Ten connections an address: the clients of the run need 40 addresses, and each attacker has its own.
    let others = [
        "--pairs",
        "100",
        "--rate",
        "50",
        "--warmup",
        "1s",
        "--duration",
        "20s",
        "--ramp",
        "100/s",
        "--sources",
        "127.1.0.1-127.1.0.40",
        "--verify-history=20",
    ];
    let others = Load::start("attack-others", &gateways, &others);
    let urls = gateways.map(|address| format!("ws://{address}/ws"));
    let pids: Vec<String> = (cluster.gateways.iter().map(|it| ("gateway", it)))
        .chain(cluster.chats.iter().map(|it| ("chat", it)))
        .enumerate()
        .map(|(number, (name, process))| format!("{name}-{number}={}", process.pid()))
        .collect();
    let pids = pids.join(",");
    let mut arguments = vec!["attack", "--secret", SECRET, "--duration", "15s"];
    arguments.extend(["--sources", "127.2.0.1-127.2.0.17", "--server-pids", &pids]);
    for url in &urls {
        arguments.extend(["--url", url]);
    }
    let attack = command("fleet", &arguments, &[]).output();
    let attack = tokio::time::timeout(Duration::from_mins(1), attack)
        .await
        .expect("the attack ends by itself")
        .expect("the fleet starts");
    let said = String::from_utf8_lossy(&attack.stdout);
    assert!(attack.status.success(), "{said}{}", String::from_utf8_lossy(&attack.stderr));
    for highest in said.split(' ').filter_map(|word| word.strip_prefix("peak_rss_mib.")) {
        let (process, mib) = highest.trim().split_once('=').expect("name=value");
        if process != "fleet" {
            assert!(mib.parse::<f64>().expect("a number") < MOST_MIB, "{highest}\n{said}");
        }
    }

    let report = others.valid(Duration::from_mins(2)).await;
    assert_eq!(report["errors"], serde_json::json!({}), "{said}");
    for count in ["reconnects", "overdue_answers", "skipped"] {
        assert_eq!(report[count], 0, "{count}: {report}\n{said}");
    }
    cluster.stop().await;
}
