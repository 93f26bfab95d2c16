//! The table of what listens where, printed at the start.

use wharf::address::Scheme;
use wharf::network::Endpoint;
use wharf::server::Bound;

use super::door::Entrance;
use crate::style::Style;

/// What listens where, with a command to try for each.
pub(super) fn render(bounds: &[Bound], entrance: Entrance, style: Style) -> String {
    let rows = rows(bounds, entrance);
    let wide = |column: fn(&Row) -> &str, title: &str| {
        let widest = rows.iter().map(|row| column(row).chars().count()).max();
        widest.unwrap_or(0).max(title.len())
    };
    let service = wide(|row| &row.service, "service");
    let transport = wide(|row| row.transport, "over");
    let places = wide(|row| &row.places, "listens on");
    let mut text = format!(
        "{}\n",
        style.dim(&format!(
            "{:service$}  {:transport$}  {:places$}  try",
            "service", "over", "listens on"
        ))
    );
    for row in &rows {
        let padded = format!("{:service$}", row.service);
        text += &format!(
            "{}  {:transport$}  {:places$}  {}\n",
            style.name(&padded),
            row.transport,
            row.places,
            row.command
        );
    }
    text
}

/// What Wharf's own page shows: the same table, and what each service does.
#[cfg(feature = "page")]
pub(super) fn page_rows(bounds: &[Bound], entrance: Entrance) -> Vec<wharf_services::page::Row> {
    let rows = rows(bounds, entrance).into_iter();
    rows.map(|row| wharf_services::page::Row {
        about: wharf_services::catalog::find(&row.service)
            .map_or(String::new(), |entry| entry.about.to_owned()),
        service: row.service,
        over: row.transport.to_owned(),
        places: row.places,
        command: row.command,
    })
    .collect()
}

/// One line on who can reach the services.
pub(super) fn reach(bounds: &[Bound]) -> String {
    let open = bounds.iter().filter(|bound| !bound.local.is_local());
    match open.count() {
        0 => "reachable from this machine only (all:PORT opens it to others)",
        all if all == bounds.len() => "open to the network: other machines can reach it",
        _ => "open to the network, except what stands on a loopback address or in the file system",
    }
    .to_owned()
}

struct Row {
    service: String,
    transport: &'static str,
    places: String,
    command: String,
}

/// One row per service, transport and port: both IP versions stand together.
fn rows(bounds: &[Bound], entrance: Entrance) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut last: Option<&Bound> = None;
    for bound in bounds {
        let together = last.is_some_and(|last| {
            last.service == bound.service
                && last.scheme == bound.scheme
                && bound.local.port().is_some()
                && last.local.port() == bound.local.port()
        });
        match rows.last_mut() {
            Some(row) if together => {
                row.places += &format!(" {}", bound.local);
            }
            _ => rows.push(Row {
                service: bound.service.to_string(),
                transport: bound.scheme.as_str(),
                places: bound.local.to_string(),
                command: format!(
                    "wharf {} {}{}{}",
                    verb(bound),
                    target(bound),
                    key(entrance),
                    rest(bound)
                ),
            }),
        }
        last = Some(bound);
    }
    rows
}

/// The command that talks to a service best.
fn verb(bound: &Bound) -> &'static str {
    match (&*bound.service, bound.local.inet()) {
        ("chat", _) => "chat",
        ("page", Some(_)) => "get",
        ("rps", _) => "play rps",
        ("blackjack", _) => "play blackjack",
        _ => "connect",
    }
}

/// How a client answers the gate.
fn key(entrance: Entrance) -> &'static str {
    match entrance {
        Entrance::Open => "",
        Entrance::Gated => " --password-from ask",
    }
}

/// What goes after the address, so that the answer can be looked at: some services
/// answer in bytes that are no text, or without end.
fn rest(bound: &Bound) -> &'static str {
    match &*bound.service {
        "time" if bound.scheme.is_datagram() => " --hex --send now",
        "daytime" if bound.scheme.is_datagram() => " --send now",
        "time" => " --hex",
        "chargen" if !bound.scheme.is_datagram() => " | head -3",
        _ => "",
    }
}

/// The address that a client types.
fn target(bound: &Bound) -> String {
    let scheme = bound.scheme;
    match &bound.local {
        Endpoint::Inet(at) if at.ip().is_loopback() || at.ip().is_unspecified() => {
            let options = match bound.fingerprint {
                Some(hash) => format!(",pin={hash}"),
                None => String::new(),
            };
            match scheme {
                Scheme::Tcp => format!(":{}", at.port()),
                _ => format!("{}::{}{options}", scheme.as_str(), at.port()),
            }
        }
        Endpoint::Inet(at) => match scheme {
            Scheme::Tcp => at.to_string(),
            _ => format!("{}:{at}", scheme.as_str()),
        },
        Endpoint::Unix(_) => match scheme {
            Scheme::Unix => bound.local.to_string(),
            _ => format!("{}:{}", scheme.as_str(), bound.local),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(service: &str, scheme: Scheme, local: &str) -> Bound {
        Bound {
            service: service.into(),
            local: Endpoint::Inet(local.parse().unwrap()),
            scheme,
            fingerprint: None,
        }
    }

    #[test]
    fn both_ip_versions_of_a_port_are_one_row() {
        let text = render(
            &[
                bound("echo", Scheme::Tcp, "127.0.0.1:7000"),
                bound("echo", Scheme::Tcp, "[::1]:7000"),
                bound("echo", Scheme::Udp, "127.0.0.1:7000"),
            ],
            Entrance::Open,
            Style::Plain,
        );
        assert_eq!(
            text,
            "service  over  listens on                 try\n\
             echo     tcp   127.0.0.1:7000 [::1]:7000  wharf connect :7000\n\
             echo     udp   127.0.0.1:7000             wharf connect udp::7000\n"
        );
    }
}
