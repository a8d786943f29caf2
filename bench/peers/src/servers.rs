//! Debian's memcached and Redis, as they are started for the comparison: one core, no disk, memory
//! for all records, and no port or socket that anybody else uses.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::Process;

/// Memory that memcached may use for items: more than all records take, so that none is evicted.
const MEMCACHED_MIB: &str = "2048";
/// Requests of a connection that memcached serves before it looks at others: as many as are pipelined.
const MEMCACHED_REQUESTS: &str = "64";

/// memcached on a free TCP port of this machine.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn memcached_on_tcp(core: usize, folder: &Path) -> Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let port = address.port().to_string();
    let where_to_listen = ["-l", "127.0.0.1", "-p", &port];
    let mut process = memcached("memcached on TCP", core, folder, &where_to_listen)?;
    process.until(|| TcpStream::connect(address).ok())?;
    Ok((process, address))
}

/// memcached on a Unix socket in `folder`.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn memcached_on_unix(core: usize, folder: &Path) -> Result<(Process, PathBuf)> {
    let socket = folder.join("memcached.socket");
    let path = utf8(&socket)?;
    let where_to_listen = ["-s", path, "-a", "600"];
    let mut process = memcached("memcached on a Unix socket", core, folder, &where_to_listen)?;
    process.until(|| UnixStream::connect(&socket).ok())?;
    Ok((process, socket))
}

fn memcached(name: &str, core: usize, folder: &Path, place: &[&str]) -> Result<Process> {
    let program = find("memcached", "memcached")?;
    // One worker, for there is one core; an update that finds no memory is an error, not an eviction.
    let mut arguments = vec![
        "-t",
        "1",
        "-m",
        MEMCACHED_MIB,
        "-M",
        "-R",
        MEMCACHED_REQUESTS,
        "-U",
        "0",
    ];
    if rustix::process::geteuid().is_root() {
        // It refuses to be root by mistake.
        arguments.extend(["-u", "root"]);
    }
    arguments.extend(place);
    let arguments: Vec<&OsStr> = arguments.into_iter().map(OsStr::new).collect();
    Process::start(name, core, &program, &arguments, folder)
}

/// Redis on a Unix socket in `folder`, without snapshots and without a log of writes.
///
/// # Errors
/// It is not installed, or does not come up.
pub fn redis_on_unix(core: usize, folder: &Path) -> Result<(Process, PathBuf)> {
    let socket = folder.join("redis.socket");
    let arguments = [
        "--port",
        "0",
        "--unixsocket",
        utf8(&socket)?,
        "--unixsocketperm",
        "600",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        utf8(folder)?,
    ]
    .map(OsStr::new);
    let program = redis_program(folder)?;
    let mut process = Process::start("Redis", core, &program, &arguments, folder)?;
    process.until(|| UnixStream::connect(&socket).ok())?;
    Ok((process, socket))
}

/// Debian's `redis-tools` has the whole server, under another name: it is the checker of its files when
/// it is called so. That package starts no service.
fn redis_program(folder: &Path) -> Result<PathBuf> {
    if let Ok(server) = find("redis-server", "redis-server") {
        return Ok(server);
    }
    let program = find("redis-check-rdb", "redis-tools")?;
    let link = folder.join("redis-server");
    std::os::unix::fs::symlink(program, &link)
        .with_context(|| format!("making {}", link.display()))?;
    Ok(link)
}

/// A program on the path.
fn find(program: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    match found {
        Some(file) => Ok(file),
        None => bail!(
            "{program} is not installed: `cargo xtask setup` installs it (Debian's {package})"
        ),
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no text", path.display()))
}
