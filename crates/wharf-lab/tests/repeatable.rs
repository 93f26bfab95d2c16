//! The same seed gives the same bytes: twice in a process, and in two processes.

use std::process::Command;
use std::time::Duration;

use wharf_lab::{Lab, LabError, Link, Tap, Topology};
use wharf_services::Echo;

/// Tells the process that this test starts to print a digest and do nothing else.
const CHILD: &str = "WHARF_LAB_DIGEST";

/// Four clients on a network with every fault: captures of all links, and the summary.
fn run(seed: u64) -> Vec<u8> {
    let link = Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(5))
        .jitter(Duration::from_millis(3))
        .loss(0.02)
        .duplicate(0.01)
        .reorder(0.01)
        .corrupt(0.001);
    let lab = Lab::new(seed)
        .topology(Topology::switch_ring(5))
        .link(link)
        .with_recording()
        .with_journal();
    let outcome = lab.run(async |hosts| {
        let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
        let _datagrams = hosts[0].serve_datagrams("udp::7", Echo::default()).await?;
        let mut clients = Vec::new();
        for host in hosts.iter().skip(1) {
            let host = host.clone();
            clients.push(tokio::spawn(async move {
                let mut client = host.connect("h0:7").await?;
                for i in 0..20_u8 {
                    client.write_all(&[i; 500]).await?;
                    let mut heard = 0;
                    while heard < 500 {
                        heard += client.read_chunk().await?.map_or(500, |chunk| chunk.len());
                    }
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                client.close().await?;
                Ok::<_, LabError>(())
            }));
        }
        for client in clients {
            client.await.unwrap()?;
        }
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    let report = outcome.report;
    let mut bytes = Vec::new();
    for tap in report.taps() {
        assert!(report.write_capture(tap, &mut bytes).unwrap() > 0 || matches!(tap, Tap::Link(_)));
    }
    bytes.extend(serde_json::to_vec(&report.summary()).unwrap());
    bytes.extend(format!("{:?}", report.journal().unwrap().entries()).into_bytes());
    bytes
}

/// FNV-1a: enough to compare two processes by a line of text.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = run(7);
    if std::env::var_os(CHILD).is_some() {
        println!("digest {:016x}", digest(&first));
        return;
    }
    assert!(first.len() > 100_000);
    assert!(first == run(7), "twice in one process");
    assert!(first != run(8), "another seed");
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_same_seed_gives_the_same_bytes_and_another_seed_others",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let wanted = format!("digest {:016x}", digest(&first));
    assert!(text.contains(&wanted), "in another process: {text}");
}
