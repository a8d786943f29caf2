//! From a directory to its functions' sockets.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::error::VfioUserError;

/// Name of the socket in a function's directory.
const SOCKET: &str = "cntrl";

/// One function that is served in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionPlace {
    /// `pf`, `vf0`, …; `None` where the directory is the function's own.
    pub label: Option<String>,
    /// Its socket.
    pub socket: PathBuf,
}

/// The functions of a directory: the one whose socket is in it, or those of its subdirectories, PF
/// first, then the VFs by number, then whatever else is served there by name.
///
/// # Errors
/// [`VfioUserError::NoSocket`].
pub fn functions(directory: &Path) -> Result<Vec<FunctionPlace>, VfioUserError> {
    let none = |reason: String| VfioUserError::NoSocket {
        path: directory.to_owned(),
        reason,
    };
    let own = directory.join(SOCKET);
    if own.exists() {
        return Ok(vec![FunctionPlace {
            label: None,
            socket: own,
        }]);
    }
    let entries = fs::read_dir(directory).map_err(|error| none(error.to_string()))?;
    let mut found: Vec<FunctionPlace> = entries
        .filter_map(|entry| {
            let label = entry.ok()?.file_name().into_string().ok()?;
            let socket = directory.join(&label).join(SOCKET);
            socket.exists().then_some(FunctionPlace {
                label: Some(label),
                socket,
            })
        })
        .collect();
    if found.is_empty() {
        return Err(none(
            "it holds neither cntrl nor pf/cntrl, vf0/cntrl …".to_owned(),
        ));
    }
    found.sort_by_key(|place| order(place.label.as_deref().unwrap_or_default()));
    Ok(found)
}

/// PF, VFs by number, the rest by name.
fn order(label: &str) -> (u8, u32, String) {
    if label == "pf" {
        return (0, 0, String::new());
    }
    match label.strip_prefix("vf").map(str::parse) {
        Some(Ok(number)) => (1, number, String::new()),
        _ => (2, 0, label.to_owned()),
    }
}

/// Connects to a function's socket.
pub(crate) fn connect(socket: &Path) -> Result<UnixStream, VfioUserError> {
    UnixStream::connect(socket).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::ConnectionRefused => "; its server is gone: start it again",
            ErrorKind::PermissionDenied => {
                "; this user may not write to the socket, which its server has made"
            }
            ErrorKind::NotFound => "; its server is gone, and the socket with it",
            ErrorKind::InvalidInput => "; a socket's path may have 107 bytes: use a shorter one",
            _ => "",
        };
        VfioUserError::Connect {
            socket: socket.to_owned(),
            reason: format!("{error}{help}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::*;

    fn serve(directory: &Path) -> UnixListener {
        fs::create_dir_all(directory).expect("made");
        UnixListener::bind(directory.join(SOCKET)).expect("a socket")
    }

    fn labels(directory: &Path) -> Vec<Option<String>> {
        let found = functions(directory).expect("functions");
        found.into_iter().map(|place| place.label).collect()
    }

    #[test]
    fn functions_come_in_their_order_whatever_their_names_sort_like() {
        let folder = TempDir::new().expect("a folder");
        let names = ["vf10", "vf2", "other", "pf", "vf0"];
        let _served: Vec<_> = names.map(|name| serve(&folder.path().join(name))).into();
        fs::create_dir(folder.path().join("empty")).expect("made");
        let expected = ["pf", "vf0", "vf2", "vf10", "other"].map(|name| Some(name.to_owned()));
        assert_eq!(labels(folder.path()), expected);
        assert_eq!(labels(&folder.path().join("vf2")), [None]);
    }

    #[test]
    fn a_directory_without_a_socket_says_how_to_get_one() {
        let folder = TempDir::new().expect("a folder");
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = functions(&path).expect_err("none").to_string();
            for part in [
                path.to_str().expect("UTF-8"),
                "no socket",
                "rdstore device serve",
            ] {
                assert!(error.contains(part), "no '{part}' in: {error}");
            }
        }
    }

    #[test]
    fn a_socket_that_was_left_behind_says_that_its_server_is_gone() {
        let folder = TempDir::new().expect("a folder");
        drop(serve(folder.path()));
        let error = connect(&folder.path().join(SOCKET)).expect_err("nobody listens");
        assert!(error.to_string().contains("server is gone"), "{error}");
    }
}
