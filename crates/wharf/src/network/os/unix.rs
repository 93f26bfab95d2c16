//! Unix stream sockets, and the care that a socket's file needs.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::{unix_address, unix_endpoint};
use crate::connection::{Accept, Connection, Listener, OpenShared, Stream};
use crate::limits;
use crate::network::tap::steps::{StepKind, step};
use crate::network::{ConnectOptions, Endpoint, ListenOptions, UnixName};

/// Listens at `name`.
pub(super) fn listen(name: &UnixName, options: &ListenOptions) -> io::Result<Listener> {
    let (socket, file) = bind_and_listen(name, Type::STREAM, options)?;
    let local = Endpoint::Unix(name.clone());
    let source = OsListener {
        socket: UnixListener::from_std(socket.into())?,
        local: local.clone(),
        file: file.map(Arc::new),
    };
    Ok(Listener::new(local, source))
}

/// Connects to `name`.
pub(super) async fn connect(name: &UnixName, options: &ConnectOptions) -> io::Result<Connection> {
    let new = || Socket::new(Domain::UNIX, Type::STREAM, None);
    let socket = step(StepKind::Socket, new)?;
    let local = named(&socket, options)?;
    socket.set_nonblocking(true)?;
    // A Unix connect is done or refused at once; only a full queue makes it wait.
    connect_when_free(&socket, &unix_address(name)?).await?;
    let stream = UnixStream::from_std(socket.into())?;
    Ok(Connection::over(
        Stream::Unix(stream),
        local,
        Endpoint::Unix(name.clone()),
    ))
}

/// Gives a client's socket the name that it was told to have, if any.
pub(super) fn named(socket: &Socket, options: &ConnectOptions) -> io::Result<Endpoint> {
    let Some(Endpoint::Unix(from)) = &options.from else {
        return Ok(Endpoint::Unix(UnixName::Unnamed));
    };
    let address = unix_address(from)?;
    step(StepKind::Bind, || socket.bind(&address))?;
    Ok(Endpoint::Unix(from.clone()))
}

/// Connects a non-blocking socket; while the listener's queue is full
/// (EAGAIN, connect(2)) it tries again with growing pauses, until dropped.
pub(super) async fn connect_when_free(
    socket: &Socket,
    address: &socket2::SockAddr,
) -> io::Result<()> {
    let mut pause = limits::ACCEPT_BACKOFF_MIN;
    loop {
        match socket.connect(address) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(limits::ACCEPT_BACKOFF_MAX);
    }
}

/// Makes a socket of `kind` that listens at `name`, with its file if it has one.
pub(super) fn bind_and_listen(
    name: &UnixName,
    kind: Type,
    options: &ListenOptions,
) -> io::Result<(Socket, Option<SocketFile>)> {
    let backlog = options.backlog.unwrap_or(limits::BACKLOG);
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    bind_and(name, kind, options.mode, |socket| {
        step(StepKind::Listen, || socket.listen(backlog))
    })
}

/// Makes a socket of `kind` bound to `name`, with its file if it has one: all that a
/// datagram socket needs to be found alive.
pub(super) fn bind(
    name: &UnixName,
    kind: Type,
    mode: Option<u32>,
) -> io::Result<(Socket, Option<SocketFile>)> {
    bind_and(name, kind, mode, |_| Ok(()))
}

/// Binds a socket, and makes it `open` before another server may take it for stale.
fn bind_and(
    name: &UnixName,
    kind: Type,
    mode: Option<u32>,
    open: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<(Socket, Option<SocketFile>)> {
    let socket = step(StepKind::Socket, || Socket::new(Domain::UNIX, kind, None))?;
    socket.set_nonblocking(true)?;
    let address = unix_address(name)?;
    let UnixName::Path(path) = name else {
        step(StepKind::Bind, || socket.bind(&address))?;
        open(&socket)?;
        return Ok((socket, None));
    };
    // Held until the socket is open: between bind(2) and listen(2) it refuses like one
    // whose server is dead.
    let _lock = lock_directory(path);
    if let Some(mode) = mode {
        restrict(&socket, mode);
    }
    if let Err(error) = step(StepKind::Bind, || socket.bind(&address)) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path, kind)?;
        step(StepKind::Bind, || socket.bind(&address))?;
    }
    let file = SocketFile::of(path);
    if let Some(mode) = mode {
        // The umask may have taken more rights away than was asked for.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    open(&socket)?;
    Ok((socket, file))
}

/// Gives a socket the mode with which its file is then made, so that the file has at
/// no moment more rights. Linux takes the file's mode from the socket (unix(7) is
/// silent; `unix_bind_bsd` in net/unix/af_unix.c); elsewhere this fails or does
/// nothing, and the mode is set after bind(2) alone.
fn restrict(socket: &Socket, mode: u32) {
    if let Ok(socket) = socket.try_clone() {
        let _ = File::from(OwnedFd::from(socket)).set_permissions(Permissions::from_mode(mode));
    }
}

/// How long a server waits for another one that opens a socket in the same directory.
/// Opening takes microseconds; whoever holds the lock longer is no server of this kind.
const LOCK_TIME: Duration = Duration::from_millis(100);

/// How long it waits until it tries again.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Keeps two servers from taking the same stale socket at once. No lock file is
/// left behind: the directory itself is locked. Best effort – where it cannot be
/// locked, the window is as small as everybody else's.
fn lock_directory(path: &Path) -> Option<File> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(parent.unwrap_or(Path::new("."))).ok()?;
    let give_up = Instant::now() + LOCK_TIME;
    loop {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(LOCK_PAUSE),
            Err(_) => return None,
        }
    }
}

/// Removes the socket file that a dead server left. A file of any other kind,
/// or one with a server behind it, is an error.
fn remove_stale(path: &Path, kind: Type) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "the file exists and is not a socket; it was left as it is",
        ));
    }
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&socket2::SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The file of a listening socket; dropping it removes the file, if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(SocketFile {
            path: path.to_path_buf(),
            identity: (found.dev(), found.ino()),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let same = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if same {
            // If it cannot be removed, the next server finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

struct OsListener {
    socket: UnixListener,
    local: Endpoint,
    file: Option<Arc<SocketFile>>,
}

impl Accept for OsListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        let (stream, _) = ready!(self.socket.poll_accept(cx))?;
        let peer = socket2::SockRef::from(&stream).peer_addr()?;
        Poll::Ready(Ok(Connection::over(
            Stream::Unix(stream),
            self.local.clone(),
            unix_endpoint(&peer),
        )))
    }

    fn share(&mut self) -> io::Result<Option<OpenShared>> {
        let socket = socket2::SockRef::from(&self.socket).try_clone()?;
        let (local, file) = (self.local.clone(), self.file.clone());
        Ok(Some(Box::new(move || {
            let source = OsListener {
                socket: UnixListener::from_std(socket.into())?,
                local: local.clone(),
                file,
            };
            Ok(Listener::new(local, source))
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        fs::write(&path, "precious").unwrap();
        let error = bind(&UnixName::Path(path.clone()), Type::STREAM, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("not a socket"), "{error}");
        assert_eq!(fs::read_to_string(path).unwrap(), "precious");
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let name = UnixName::Path(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (_socket, file) =
            bind_and_listen(&name, Type::STREAM, &ListenOptions::default()).unwrap();
        let error = bind(&name, Type::STREAM, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_directory_is_locked_until_the_socket_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let name = UnixName::Path(directory.path().join("s"));
        let lock = || File::open(directory.path()).unwrap().try_lock();
        let open = |_: &Socket| {
            assert!(matches!(lock(), Err(TryLockError::WouldBlock)));
            Ok(())
        };
        let _bound = bind_and(&name, Type::STREAM, None, open).unwrap();
        lock().unwrap();
    }

    #[test]
    fn of_many_servers_that_start_at_once_one_has_the_name() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let path = directory.path().join(round.to_string());
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let name = UnixName::Path(path);
            let start = || bind_and_listen(&name, Type::STREAM, &ListenOptions::default()).ok();
            let started = thread::scope(|scope| {
                let servers = [(); 4].map(|()| scope.spawn(start));
                // All are kept until all have tried.
                servers.map(|server| server.join().unwrap())
            });
            assert_eq!(started.iter().flatten().count(), 1, "round {round}");
        }
    }

    #[test]
    fn a_lock_that_is_never_given_back_does_not_hold_up_a_start() {
        let directory = tempfile::tempdir().unwrap();
        let held = File::open(directory.path()).unwrap();
        held.lock().unwrap();
        let name = UnixName::Path(directory.path().join("s"));
        let start = Instant::now();
        bind(&name, Type::DGRAM, None).unwrap();
        assert!(start.elapsed() >= LOCK_TIME);
    }

    #[test]
    fn the_mode_holds_from_the_first_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if cfg!(target_os = "linux") {
            let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
            restrict(&socket, 0o600);
            socket
                .bind(&socket2::SockAddr::unix(&path).unwrap())
                .unwrap();
            assert_eq!(mode(), 0o600);
            fs::remove_file(&path).unwrap();
        }
        for asked in [0o600, 0o666] {
            let name = UnixName::Path(path.clone());
            let open = |_: &Socket| {
                assert_eq!(mode(), asked);
                Ok(())
            };
            let _bound = bind_and(&name, Type::STREAM, Some(asked), open).unwrap();
        }
    }
}
