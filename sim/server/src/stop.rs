//! Ends of the server by signals.

use std::os::unix::net::UnixStream;

use crate::options::ServerError;

/// Can be read once the process has got SIGINT or SIGTERM; for [`Server::run`](crate::Server::run).
///
/// # Errors
/// The signals cannot be caught.
pub fn stop_on_signals() -> Result<UnixStream, ServerError> {
    let register = || -> std::io::Result<UnixStream> {
        let (read, write) = UnixStream::pair()?;
        for signal in [libc::SIGINT, libc::SIGTERM] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(read)
    };
    register().map_err(ServerError::system("catching SIGINT and SIGTERM"))
}
