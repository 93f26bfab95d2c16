//! Names of hosts, services and ports.
