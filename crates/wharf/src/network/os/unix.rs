//! Unix stream sockets, and the care that a socket's file needs.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::{unix_address, unix_endpoint};
use crate::connection::{Accept, Connection, Listener, OpenShared, Stream};
use crate::limits;
use crate::network::{ConnectOptions, Endpoint, ListenOptions, UnixName};

/// Listens at `name`.
pub(super) fn listen(name: &UnixName, options: &ListenOptions) -> io::Result<Listener> {
    let (socket, file) = bind(name, Type::STREAM, options.mode)?;
    listen_on(&socket, options.backlog)?;
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
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
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
    socket.bind(&unix_address(from)?)?;
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

/// Makes a socket of `kind` bound to `name`, with its file if it has one.
pub(super) fn bind(
    name: &UnixName,
    kind: Type,
    mode: Option<u32>,
) -> io::Result<(Socket, Option<SocketFile>)> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    let address = unix_address(name)?;
    let UnixName::Path(path) = name else {
        socket.bind(&address)?;
        return Ok((socket, None));
    };
    let _lock = lock_directory(path);
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path, kind)?;
        socket.bind(&address)?;
    }
    if let Some(mode) = mode {
        // Before listen(2) nobody can connect, so there is no moment with other rights.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok((socket, SocketFile::of(path)))
}

/// Starts listening on a bound socket.
pub(super) fn listen_on(socket: &Socket, backlog: Option<u32>) -> io::Result<()> {
    let backlog = backlog.unwrap_or(limits::BACKLOG);
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

/// Keeps two servers from taking the same stale socket at once. No lock file is
/// left behind: the directory itself is locked. Best effort – where it cannot be
/// locked, the window is as small as everybody else's.
fn lock_directory(path: &Path) -> Option<File> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(parent.unwrap_or(Path::new("."))).ok()?;
    directory.try_lock().ok()?;
    Some(directory)
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
        let (socket, file) = bind(&name, Type::STREAM, None).unwrap();
        listen_on(&socket, None).unwrap();
        let error = bind(&name, Type::STREAM, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_mode_is_set_before_anyone_can_connect() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (_socket, _file) =
            bind(&UnixName::Path(path.clone()), Type::STREAM, Some(0o600)).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
