//! Services and clients on the hosts of a lab.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use wharf::address::Address;
use wharf::client::Client;
use wharf::datagram::Amplification;
use wharf::names::suggest;
use wharf::server::{DatagramOptions, Running, Server};
use wharf::service::AnyService;
use wharf_lab::topology::file::{ClientPlan, FileError, ServicePlan};
use wharf_lab::{Hosts, LabError, LabHost, LabNetwork};
use wharf_services::chat::{Rules, UnreliableChat};
use wharf_services::{Chargen, Chat, Daytime, Discard, Echo, Message, Time, Upper, catalog};

use super::network::{Plan, mistake};
use crate::failure::Failure;

/// How long a client waits for an answer over TCP: a retransmission timeout doubles
/// from 1 s, and five in a row are 31 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it waits over UDP, where nobody sends anything again.
const UDP_PATIENCE: Duration = Duration::from_secs(2);

/// Services that cannot run in a lab, and why.
const OUTSIDE: [(&str, &str); 1] = [("exec", "processes are outside of a lab")];

/// What runs on the hosts.
pub(super) struct Traffic {
    services: Vec<(String, String, Address)>,
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
    /// Checks the plan.
    pub(super) fn of(plan: &Plan) -> Result<Traffic, Failure> {
        let mut services = Vec::new();
        for service in &plan.services {
            services.extend(places(plan, service)?);
        }
        for client in &plan.clients {
            let parsed: Result<Address, _> = client.connect.parse();
            if let Err(error) = parsed {
                let cure = error.cure().map(str::to_owned);
                return Err(wrong(plan, client.line, error.to_string(), cure));
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
        for (host, service, address) in &self.services {
            if let Some(host) = hosts.named(host) {
                running.push(serve(host, service, address.clone()).await?);
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

fn wrong(plan: &Plan, line: usize, cause: String, cure: Option<String>) -> Failure {
    let file = plan.file.as_deref().unwrap_or("the network");
    mistake(file, &FileError { line, cause, cure })
}

/// The service's addresses: the one of the file, or its standard ones.
fn places(plan: &Plan, it: &ServicePlan) -> Result<Vec<(String, String, Address)>, Failure> {
    if let Some((name, why)) = OUTSIDE.iter().find(|(name, _)| *name == it.service) {
        return Err(wrong(
            plan,
            it.line,
            format!("{name} cannot be served here: {why}"),
            None,
        ));
    }
    let Some(entry) = catalog::find(&it.service).filter(|entry| is_known(entry.name)) else {
        let names = catalog()
            .iter()
            .map(|entry| entry.name)
            .filter(|name| is_known(name));
        let near = suggest(&it.service, names).map(str::to_owned);
        let cause = format!("there is no service {} for a lab", it.service);
        return Err(wrong(plan, it.line, cause, near));
    };
    let addresses: Vec<Address> = match &it.address {
        Some(text) => {
            let parsed: Result<Address, _> = text.parse();
            let address = parsed.map_err(|error| {
                let cure = error.cure().map(str::to_owned);
                wrong(plan, it.line, error.to_string(), cure)
            })?;
            vec![address]
        }
        None => entry.addresses().collect(),
    };
    let place = |address| (it.host.clone(), it.service.clone(), address);
    Ok(addresses.into_iter().map(place).collect())
}

fn is_known(name: &str) -> bool {
    stream_service(name).is_some()
}

/// The service of this name. What it would show on the screen is not shown: every
/// host of a lab would write into the same terminal.
fn stream_service(name: &str) -> Option<AnyService> {
    Some(match name {
        "echo" => AnyService::new(Echo::default()),
        "upper" => AnyService::new(Upper::default()),
        "chat" => AnyService::new(Chat::new(Rules::default(), |_| {})),
        "message" => AnyService::new(Message::new(|_| {})),
        "daytime" => AnyService::new(Daytime),
        "time" => AnyService::new(Time),
        "discard" => AnyService::new(Discard::default()),
        "chargen" => AnyService::new(Chargen),
        _ => return None,
    })
}

async fn serve(host: &LabHost, name: &str, address: Address) -> Result<Running, LabError> {
    let server = Server::on(host.network());
    let server = match address.scheme.is_datagram() {
        true => datagram_server(server, name, address),
        false => match stream_service(name) {
            Some(service) => server.serve(name, address, service),
            None => server,
        },
    };
    Ok(server.start().await?)
}

fn datagram_server(server: Server<LabNetwork>, name: &str, address: Address) -> Server<LabNetwork> {
    match name {
        "echo" => server.serve_datagrams(name, address, Echo::default()),
        "upper" => server.serve_datagrams(name, address, Upper::default()),
        "message" => server.serve_datagrams(name, address, Message::new(|_| {})),
        "daytime" => server.serve_datagrams(name, address, Daytime),
        "time" => server.serve_datagrams(name, address, Time),
        "discard" => server.serve_datagrams(name, address, Discard::default()),
        "chargen" => server.serve_datagrams(name, address, Chargen),
        "chat" => {
            let chat = UnreliableChat::new(Rules::default(), 1, |_| {});
            let options = DatagramOptions {
                amplification: Amplification::Allowed,
                ..DatagramOptions::default()
            };
            server.serve_datagrams_with(name, address, chat, options)
        }
        _ => server,
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
    result
}

async fn over_tcp(
    host: &LabHost,
    plan: &ClientPlan,
    result: &mut ClientResult,
) -> Result<(), LabError> {
    let mut peer = host.connect(&plan.connect).await?;
    for i in 0..plan.count {
        if i > 0 {
            sleep(plan.every).await;
        }
        let begun = Instant::now();
        peer.write_all(format!("{}\n", plan.send).as_bytes())
            .await?;
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

async fn over_udp(
    host: &LabHost,
    plan: &ClientPlan,
    result: &mut ClientResult,
) -> Result<(), LabError> {
    let address: Address = plan.connect.parse()?;
    let (mut socket, to) = Client::on(host.network()).datagrams(&address).await?;
    let mut heard = Vec::new();
    for i in 0..plan.count {
        if i > 0 {
            sleep(plan.every).await;
        }
        let begun = Instant::now();
        socket.send_to(plan.send.as_bytes(), &to).await?;
        result.sent += 1;
        // What does not come in time is lost, and counted as such by what was answered.
        if let Ok(answer) = timeout(UDP_PATIENCE, socket.receive_from(&mut heard)).await {
            answer?;
            result.answered += 1;
            result.rtts.push(begun.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
