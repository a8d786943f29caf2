//! The sockets: one for each function, in a directory of its own, because SPDK wants it so.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use pcie_host::endpoint::FunctionId;

use crate::options::ServerError;

/// A listening socket; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    pub(crate) path: PathBuf,
}

/// The name of a function's directory.
pub fn function_name(function: FunctionId) -> String {
    match function.0 {
        0 => "pf".to_owned(),
        n => format!("vf{}", n - 1),
    }
}

impl Socket {
    /// Listens at `directory`/`pf`/`cntrl` or the like. A socket that a dead server has left is
    /// replaced.
    pub(crate) fn listen(directory: &Path, function: FunctionId) -> Result<Self, ServerError> {
        let directory = directory.join(function_name(function));
        std::fs::create_dir_all(&directory).map_err(ServerError::system(format!(
            "making the directory {}",
            directory.display()
        )))?;
        let path = directory.join("cntrl");
        remove_stale(&path)?;
        let bind = |path: &Path| {
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind(&path).map_err(ServerError::system(format!(
            "listening at {}",
            path.display()
        )))?;
        Ok(Self { listener, path })
    }

    /// A client that waits; `None` when there is none.
    pub(crate) fn accept(&self) -> io::Result<Option<UnixStream>> {
        match self.listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The directories stay: they may have been there before.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn remove_stale(path: &Path) -> Result<(), ServerError> {
    let path_buf = || path.to_owned();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(ServerError::system(path.display().to_string())(error));
        }
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServerError::InTheWay { path: path_buf() });
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).is_ok() {
        return Err(ServerError::InUse { path: path_buf() });
    }
    std::fs::remove_file(path).map_err(ServerError::system(format!(
        "removing the old socket {}",
        path.display()
    )))
}
