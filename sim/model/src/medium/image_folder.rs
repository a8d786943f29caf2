//! A folder for image files of a test.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use tempfile::TempDir;

/// Read: images are opened and closed. Write: a process is started.
static FORKS: RwLock<()> = RwLock::new(());

/// A folder whose images nobody else holds. A process that is being started has all files of this one
/// for a moment, their locks too: an image that a test had just closed was once still in use then.
pub(super) struct ImageFolder {
    folder: TempDir,
    _no_forks: RwLockReadGuard<'static, ()>,
}

impl ImageFolder {
    pub(super) fn new() -> Self {
        Self {
            _no_forks: FORKS.read().unwrap_or_else(PoisonError::into_inner),
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Starts a process while no other test has an image open.
pub(super) fn spawn_alone(command: &mut Command) -> Child {
    let _alone = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().expect("this test's own program")
}
