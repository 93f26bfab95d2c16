//! Names of hosts, services and ports: the functions that every book on sockets begins with.
//!
//! | function of the C and Python libraries | here |
//! |---|---|
//! | `gethostname` | [`host_name`] |
//! | `getfqdn` | [`fully_qualified_name`] |
//! | `gethostbyname`, `gethostbyname_ex`, `getaddrinfo` | [`addresses_of`] |
//! | `gethostbyaddr`, `getnameinfo` | [`name_of`] |
//! | `getservbyname`, `getservbyport` | [`service_port`], [`service_name`] |
//! | `inet_aton`, `inet_pton` | [`address_bytes`], [`ipv4_from_shorthand`] |
//! | `inet_ntoa`, `inet_ntop` | [`address_text`] |
//! | `htons`, `htonl` | [`to_network_order`] |
//! | `ntohs`, `ntohl` | [`from_network_order`] |
//! | – | [`PortClass::of`], [`may_bind`] |
//!
//! Functions that look something up **block**, some of them for as long as a resolver takes (often
//! 5 or 10 seconds): asynchronous programs call them on a thread for blocking work.

mod bytes;
#[cfg(unix)]
mod ffi;
mod host;
mod hosts_file;
mod port;
mod service;
mod suggest;

pub use bytes::{
    AddressTextError, ByteOrderError, NetworkNumber, NetworkOrder, address_bytes, address_text,
    from_network_order, ipv4_from_shorthand, to_network_order,
};
pub use host::{
    AddressesError, FullNameError, HostEntry, HostNameError, HostNames, NameOfError, addresses_of,
    fully_qualified_name, host_name, name_of,
};
pub use port::{BindRight, PortClass, may_bind};
pub use service::{Protocol, ServiceError, service_name, service_port};
pub use suggest::suggest;
