//! The password dialogue and pages, with the project's clients for them.

use wharf_lab::{Hosts, LabError};
use wharf_services::page::{Request, Row, Url, fetch};
use wharf_services::password::{Cost, Door, Gate, Hash, LoginError, Secret, Users, log_in};
use wharf_services::{Echo, Page, Password};

use super::{exactly, to_the_end};

/// A door that one password opens. How often it may be tried is measured in the
/// lab's time.
fn door() -> Door {
    let hash = Hash::of(b"open sesame", [0; 16], Cost::LEAST).unwrap();
    Door::new(Users::one(hash), |_| {})
}

pub(super) async fn password(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::7300", Password::new(door())).await?;
    let mut client = hosts[1].connect("h0:7300").await?;
    client.write_all(b"open sesame\n").await?;
    client.finish().await?;
    let heard = to_the_end(&mut client).await?;
    assert_eq!(String::from_utf8_lossy(&heard), "access granted\n");
    Ok(())
}

pub(super) async fn log_in_at_a_gate(hosts: Hosts) -> Result<(), LabError> {
    let gate = Gate::new(door(), Echo::default());
    let _server = hosts[0].serve("tcp::7", gate).await?;
    let mut stranger = hosts[1].connect("h0:7").await?;
    let refused = log_in(&mut stranger, &Secret::new("abracadabra").unwrap()).await;
    assert!(matches!(refused, Err(LoginError::Denied)), "{refused:?}");
    let mut client = hosts[2].connect("h0:7").await?;
    let admitted = log_in(&mut client, &Secret::new("open sesame").unwrap()).await;
    admitted.map_err(std::io::Error::other)?;
    client.write_all(b"behind the gate").await?;
    assert_eq!(exactly(&mut client, 15).await?, b"behind the gate");
    Ok(())
}

fn own_page() -> Page {
    let page = Page::own(|_| {});
    page.show_rows(vec![Row {
        service: "echo".to_owned(),
        about: "sends everything back".to_owned(),
        over: "tcp".to_owned(),
        places: "tcp:h0:7".to_owned(),
        command: "wharf connect h0:7".to_owned(),
    }]);
    page
}

pub(super) async fn page(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::80", own_page()).await?;
    let mut client = hosts[1].connect("h0:80").await?;
    let request = b"GET / HTTP/1.1\r\nHost: h0\r\nConnection: close\r\n\r\n";
    client.write_all(request).await?;
    let heard = to_the_end(&mut client).await?;
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    // The day on which every lab begins.
    assert!(heard.contains("date: Thu, 01 Jan 2026 "), "{heard}");
    assert!(heard.contains("sends everything back"), "{heard}");
    Ok(())
}

/// One after the other, while another client has asked for nothing yet.
pub(super) async fn fetch_pages(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::80", own_page()).await?;
    let _idle = hosts[2].connect("h0:80").await?;
    for (path, status) in [("/", 200), ("/nothing", 404)] {
        let url: Url = format!("http://h0{path}").parse().unwrap();
        let connection = hosts[1].connect(&url.address.to_string()).await?;
        let fetched = fetch(connection, &url, Request::Get).await;
        let mut fetched = fetched.map_err(std::io::Error::other)?;
        assert_eq!(fetched.status, status);
        let mut body = Vec::new();
        while let Some(part) = fetched.next().await.map_err(std::io::Error::other)? {
            body.extend_from_slice(&part);
        }
        assert_eq!(fetched.length(), Some(body.len() as u64));
        let text = String::from_utf8_lossy(&body);
        assert_eq!(
            text.contains("sends everything back"),
            status == 200,
            "{text}"
        );
    }
    Ok(())
}
