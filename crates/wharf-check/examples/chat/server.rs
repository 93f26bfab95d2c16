//! The server that is tried.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wharf_check::load::{Chat, Messages, Options, Target};

/// How long it may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A process that serves a chat until this is dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    process: Child,
}

impl Server {
    pub(crate) fn start(command: &[String]) -> Result<Server, String> {
        let at = free_port().map_err(|error| format!("no free port: {error}"))?;
        let port = at.port().to_string();
        let words: Vec<String> = command
            .iter()
            .map(|word| word.replace("{port}", &port))
            .collect();
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        let mut server = Server { at, process };
        server.wait()?;
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it listens.
    fn wait(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            if TcpStream::connect(self.at).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("the server ended with {status}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("nobody listens on {}", self.at))
    }

    /// The options of so many users.
    pub(crate) fn users(&self, users: usize, chat: Chat) -> Options {
        let mut options = Options::new(Target::Tcp(self.at));
        options.connections = users;
        options.messages = Messages::Chat(chat);
        options.connect_timeout = Duration::from_secs(60);
        options.reply_timeout = Duration::from_secs(30);
        options.errors_at_most = 10;
        options
    }
}

/// A port that nobody has at this moment.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or is ended now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
