//! The certificate that a `tls:` address names.

use super::StartErrorKind;
use crate::address::{Address, Host, Target};
use crate::tls::ServerTls;

/// Reads or makes the certificate for `address`. It blocks on files.
pub(super) fn made_for(address: &Address) -> Result<ServerTls, StartErrorKind> {
    let options = &address.options.tls;
    let tls = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => ServerTls::from_pem_files(cert, key)?,
        (Some(both), None) => ServerTls::from_pem_files(both, both)?,
        (None, Some(_)) => return Err(missing("key= is given without cert=")),
        (None, None) if options.self_signed => ServerTls::self_signed(names_of(address))?,
        (None, None) => return Err(missing("a TLS server needs a certificate")),
    };
    Ok(tls.with_alpn(options.alpn.iter().map(String::as_str))?)
}

fn missing(what: &str) -> StartErrorKind {
    StartErrorKind::NoCertificate(what.to_owned())
}

/// The names that a self-signed certificate is made for, besides the loopback ones.
fn names_of(address: &Address) -> Vec<String> {
    let mut names: Vec<String> = crate::names::host_name().into_iter().collect();
    if let Target::Host { host, .. } = &address.target {
        names.push(match host {
            Host::Name(name) => name.clone(),
            Host::V4(ip) => ip.to_string(),
            Host::V6 { addr, .. } => addr.to_string(),
        });
    }
    names
}
