//! What a host of the lab gives to its programs besides the network.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wharf::network::Machine;

use super::world::with;

/// The time of day at which every lab in virtual time begins: 2026-01-01 00:00:00 UTC.
pub const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// The machine of one host.
pub(super) struct LabMachine {
    pub(super) lab: u64,
    pub(super) host: u32,
}

impl Machine for LabMachine {
    fn wall_time(&self) -> SystemTime {
        with(self.lab, |world| {
            world.day + world.fabric.now().since_start()
        })
        .unwrap_or(UNIX_EPOCH + EPOCH)
    }

    /// Seeded bytes. Outside of its lab a handle has none, and gives zeros.
    fn random(&self, bytes: &mut [u8]) {
        let filled = with(self.lab, |world| {
            if let Some(resident) = world.hosts.get_mut(self.host as usize) {
                resident.dice.fill(bytes);
            }
        });
        if filled.is_err() {
            bytes.fill(0);
        }
    }

    /// At once, in the network's own thread: virtual time does not pass meanwhile.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}
