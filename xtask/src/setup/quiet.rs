//! Debian packages whose services must not start: of memcached only the program is wanted, and its
//! port may belong to somebody else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A Debian package's script asks this file before it starts a service; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const DENY_ALL: &str = "#!/bin/sh\nexit 101\n";
/// A link to nothing in place of a unit: systemd starts it neither now nor at the next boot, until
/// `systemctl unmask`.
const UNITS: &str = "/etc/systemd/system";

/// While it lives, no service is started by an installation.
pub(super) struct Quiet {
    /// The policy, where it was made here.
    policy: Option<PathBuf>,
}

impl Quiet {
    /// Masks `service`, which is not installed, and forbids starts until it is dropped.
    pub(super) fn new(service: &str) -> Result<Self> {
        Self::below(Path::new("/"), service)
    }

    fn below(root: &Path, service: &str) -> Result<Self> {
        let place = |path: &str| root.join(path.trim_start_matches('/'));
        let unit = place(UNITS).join(format!("{service}.service"));
        if unit.symlink_metadata().is_err() && place(UNITS).is_dir() {
            symlink("/dev/null", &unit).with_context(|| format!("masking {}", unit.display()))?;
        }
        let policy = place(POLICY);
        if policy.exists() {
            // The machine has a policy of its own; a container's is the same as ours.
            return Ok(Self { policy: None });
        }
        let write = fs::write(&policy, DENY_ALL)
            .and_then(|()| fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)));
        write.with_context(|| format!("writing {}", policy.display()))?;
        Ok(Self {
            policy: Some(policy),
        })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(policy) = self.policy.take() {
            // Somebody else has removed it: the same end.
            let _ = fs::remove_file(policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["usr/sbin", "etc/systemd/system"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        root
    }

    #[test]
    fn services_are_denied_while_it_lives_and_the_unit_stays_masked() {
        let folder = machine();
        let root = folder.path();
        let quiet = Quiet::below(root, "memcached").unwrap();
        let policy = root.join("usr/sbin/policy-rc.d");
        assert_eq!(fs::read_to_string(&policy).unwrap(), DENY_ALL);
        let mode = fs::metadata(&policy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        drop(quiet);
        assert!(!policy.exists());
        let unit = root.join("etc/systemd/system/memcached.service");
        assert_eq!(fs::read_link(unit).unwrap(), Path::new("/dev/null"));
    }

    #[test]
    fn a_policy_and_a_unit_of_the_machine_stay_as_they_are() {
        let folder = machine();
        let root = folder.path();
        let policy = root.join("usr/sbin/policy-rc.d");
        let unit = root.join("etc/systemd/system/memcached.service");
        fs::write(&policy, "own").unwrap();
        fs::write(&unit, "own").unwrap();
        drop(Quiet::below(root, "memcached").unwrap());
        for file in [policy, unit] {
            assert_eq!(fs::read_to_string(file).unwrap(), "own");
        }
    }
}
