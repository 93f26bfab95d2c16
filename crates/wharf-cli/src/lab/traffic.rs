//! What runs in a lab: its services are started, its clients talk.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use wharf::address::Address;
use wharf::client::Client;
use wharf::server::Running;
use wharf_lab::topology::file::ClientPlan;
use wharf_lab::{Hosts, LabError, LabHost};

use super::network::Plan;
use super::services::{Place, check_address, one_each, wrong};
use crate::failure::Failure;

/// How long a client waits for an answer over TCP: a retransmission timeout doubles
/// from 1 s, and five in a row are 31 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it waits over UDP, where nobody sends anything again.
const UDP_PATIENCE: Duration = Duration::from_secs(2);

/// How many messages a client sends at most: with a second between them these are eleven
/// days of the lab's time, and its round trips take 8 MB.
const MOST_MESSAGES: usize = 1_000_000;

/// What runs on the hosts.
pub(super) struct Traffic {
    services: Vec<Place>,
    clients: Vec<ClientPlan>,
}

/// What became of one client.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClientResult {
    pub(super) host: String,
    pub(super) connect: String,
    /// Messages that it sent.
    pub(super) sent: usize,
    /// Those that were answered in time.
    pub(super) answered: usize,
    /// Round trips in seconds, in order.
    pub(super) rtts: Vec<f64>,
    /// Why it ended before it was done.
    pub(super) error: Option<String>,
}

impl Traffic {
    /// Checks the plan. A client that would talk without end needs a span.
    pub(super) fn of(plan: &Plan, span: Option<Duration>) -> Result<Traffic, Failure> {
        let mut services = Vec::new();
        for service in &plan.services {
            services.extend(Place::of(plan, service)?);
        }
        one_each(plan, &services)?;
        for client in &plan.clients {
            let parsed: Result<Address, _> = client.connect.parse();
            let address = parsed.map_err(|error| {
                let cure = error.cure().map(str::to_owned);
                wrong(plan, client.line, error.to_string(), cure)
            })?;
            check_address(plan, &address)
                .map_err(|(cause, cure)| wrong(plan, client.line, cause, cure))?;
            let count = planned(client);
            if count > MOST_MESSAGES && span.is_none() {
                let cause = format!(
                    "the client of {} sends {count} messages; without a time to end, {MOST_MESSAGES} are the most",
                    client.host
                );
                let cure =
                    Some("for = \"10s\" at the head of the file, --for 10s, or a smaller count");
                return Err(wrong(plan, client.line, cause, cure.map(str::to_owned)));
            }
        }
        Ok(Traffic {
            services,
            clients: plan.clients.clone(),
        })
    }

    /// Serves, talks, and tells what became of it. With a span, clients that are not
    /// done by then are cut short.
    pub(super) async fn run(
        &self,
        hosts: Hosts,
        span: Option<Duration>,
    ) -> Result<Vec<ClientResult>, LabError> {
        let mut running: Vec<Running> = Vec::new();
        for place in &self.services {
            if let Some(host) = hosts.named(&place.host) {
                running.push(place.serve(host, &self.services).await?);
            }
        }
        let deadline = span.map(|span| Instant::now() + span);
        let mut tasks = Vec::new();
        for plan in self.clients.iter().cloned() {
            if let Some(host) = hosts.named(&plan.host).cloned() {
                tasks.push(tokio::spawn(client(host, plan, deadline)));
            }
        }
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.map_err(std::io::Error::other)?);
        }
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
        Ok(results)
    }
}

async fn client(host: LabHost, plan: ClientPlan, deadline: Option<Instant>) -> ClientResult {
    let mut result = ClientResult {
        host: plan.host.clone(),
        connect: plan.connect.clone(),
        sent: 0,
        answered: 0,
        rtts: Vec::new(),
        error: None,
    };
    sleep(plan.start).await;
    let talk = async {
        match plan.connect.starts_with("udp") {
            true => over_udp(&host, &plan, &mut result).await,
            false => over_tcp(&host, &plan, &mut result).await,
        }
    };
    let outcome = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, talk)
            .await
            .unwrap_or(Ok(())),
        None => talk.await,
    };
    result.error = outcome.err().map(|error| error.to_string());
    if result.sent >= MOST_MESSAGES && planned(&plan) > MOST_MESSAGES {
        let error = format!("stopped after {MOST_MESSAGES} messages, the most of one client");
        result.error.get_or_insert(error);
    }
    result
}

async fn over_tcp(
    host: &LabHost,
    plan: &ClientPlan,
    result: &mut ClientResult,
) -> Result<(), LabError> {
    let mut peer = host.connect(&plan.connect).await?;
    for (i, line) in messages(plan).enumerate() {
        if i > 0 {
            sleep(plan.every).await;
        }
        let begun = Instant::now();
        peer.write_all(format!("{line}\n").as_bytes()).await?;
        result.sent += 1;
        match timeout(PATIENCE, peer.read_chunk()).await {
            Ok(Ok(Some(_))) => {
                result.answered += 1;
                result.rtts.push(begun.elapsed().as_secs_f64());
            }
            // A service that takes messages and answers none.
            Err(_) => {}
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error.into()),
        }
    }
    peer.finish().await?;
    let left = peer.read_to_end(1 << 20);
    // A service that talks without end is left.
    let _ = timeout(UDP_PATIENCE, left).await;
    Ok(())
}

/// How many messages the plan of a client asks for.
fn planned(plan: &ClientPlan) -> usize {
    plan.send.len().saturating_mul(plan.count)
}

/// What a client sends, one after the other.
fn messages(plan: &ClientPlan) -> impl Iterator<Item = &String> {
    let count = planned(plan).min(MOST_MESSAGES);
    plan.send.iter().cycle().take(count)
}

/// What there is without waiting.
async fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

async fn over_udp(
    host: &LabHost,
    plan: &ClientPlan,
    result: &mut ClientResult,
) -> Result<(), LabError> {
    let address: Address = plan.connect.parse()?;
    let (mut socket, mut to) = Client::on(host.network()).datagrams(&address).await?;
    let mut heard = Vec::new();
    for (i, line) in messages(plan).enumerate() {
        if i > 0 {
            sleep(plan.every).await;
        }
        // Copies that have come are no answers to what is sent now.
        while let Poll::Ready(earlier) = poll_once(socket.receive_from(&mut heard)).await {
            earlier?;
        }
        let begun = Instant::now();
        socket.send_to(line.as_bytes(), &to).await?;
        result.sent += 1;
        // What does not come in time is lost, and counted as such by what was answered.
        match timeout(UDP_PATIENCE, socket.receive_from(&mut heard)).await {
            Ok(answer) => {
                answer?;
                result.answered += 1;
                result.rtts.push(begun.elapsed().as_secs_f64());
            }
            // If it comes later it finds a closed port, and is no answer to the next one.
            Err(_) => (socket, to) = Client::on(host.network()).datagrams(&address).await?,
        }
    }
    Ok(())
}
