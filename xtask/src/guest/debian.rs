//! What Debian gives: QEMU, a kernel and the guest's programs, unpacked into a folder, not installed.
//!
//! Debian 12's own QEMU has no `vfio-user-pci`, so the packages are those of a later Debian, and its
//! programs run through its own dynamic linker. The mirror is the one apt on this machine uses.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::answers;

/// The release, and where its QEMU with `vfio-user-pci` comes from.
const SUITES: [&str; 2] = ["trixie", "trixie-backports"];
/// Packages and the versions every check was passed with: QEMU's from the backports, the kernel, and the rest,
/// whose versions do not matter beyond the release.
const PACKAGES: &[(&str, &str)] = &[
    ("qemu-system-x86", "1:11.1.3+ds-1~bpo13+1"),
    ("qemu-system-common", "1:11.1.3+ds-1~bpo13+1"),
    ("qemu-system-data", "1:11.1.3+ds-1~bpo13+1"),
    ("seabios", "1.17.0-1~bpo13+1"),
    ("linux-image-6.12.107+deb13-amd64", "6.12.107-1"),
];
/// The same where the mirror has moved on: whatever the suite has now.
const NEWEST: &[&str] = &[
    "qemu-system-x86/trixie-backports",
    "qemu-system-common/trixie-backports",
    "qemu-system-data/trixie-backports",
    "seabios/trixie-backports",
    "linux-image-amd64",
];
const OTHERS: &[&str] = &[
    "ipxe-qemu",
    "busybox-static",
    "pciutils",
    "kmod",
    "xz-utils",
    "nvme-cli",
    "fio",
    "e2fsprogs",
    "xfsprogs",
];
/// What the folder holds, so that an older one is thrown away: raise it with every change above.
const CONTENT: &str = "2";
/// The file that says it, beside the folder.
const STAMP: &str = "debian.content";

fn is_fetched(guest: &Path) -> bool {
    std::fs::read_to_string(guest.join(STAMP)).unwrap_or_default() == CONTENT
}

/// The unpacked packages.
pub(crate) struct Debian {
    root: PathBuf,
    /// The kernel's release, as `uname -r` says it.
    pub(crate) kernel: String,
}

impl Debian {
    /// Is it still to be fetched, without what fetches it?
    pub(crate) fn lacks_tools(guest: &Path) -> bool {
        !is_fetched(guest) && !answers("mmdebstrap")
    }

    /// The folder under `guest`, fetched when it is not there yet: half a minute and 500 MB, once.
    pub(crate) fn fetched(guest: &Path) -> Result<Self> {
        let root = guest.join("debian");
        if !is_fetched(guest) {
            fetch(guest, &root)?;
            std::fs::write(guest.join(STAMP), CONTENT)?;
        }
        let modules = root.join("usr/lib/modules");
        let kernel = std::fs::read_dir(&modules)
            .with_context(|| modules.display().to_string())?
            .flatten()
            .next()
            .map(|release| release.file_name().to_string_lossy().into_owned())
            .with_context(|| {
                format!(
                    "no kernel in {}: delete {} and try again",
                    modules.display(),
                    guest.display()
                )
            })?;
        Ok(Self { root, kernel })
    }

    /// A file of the unpacked packages.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn kernel_image(&self) -> PathBuf {
        self.path(&format!("boot/vmlinuz-{}", self.kernel))
    }

    /// The words that run one of the folder's programs on this machine.
    pub(crate) fn words(&self, program: &str, called: &str) -> Vec<String> {
        let shown = |path: &Path| path.display().to_string();
        vec![
            shown(&self.linker()),
            "--library-path".into(),
            self.library_path(),
            "--argv0".into(),
            called.into(),
            shown(&self.path(program)),
        ]
    }

    fn command(&self, program: &str, called: &str) -> Command {
        let words = self.words(program, called);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command
    }

    fn linker(&self) -> PathBuf {
        self.path("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    }

    fn library_path(&self) -> String {
        let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph"];
        folders
            .map(|folder| self.path(folder).display().to_string())
            .join(":")
    }

    /// The libraries a program needs, those it needs through others too. Empty for a static one.
    pub(crate) fn libraries(&self, program: &Path) -> Result<Vec<PathBuf>> {
        let output = Command::new(self.linker())
            .args(["--library-path", &self.library_path(), "--list"])
            .arg(program)
            .output()
            .context("the fetched dynamic linker does not run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text
            .lines()
            .filter_map(|line| line.split_once("=> ")?.1.split(" (").next())
            .map(PathBuf::from)
            .filter(|library| library.is_absolute())
            .collect())
    }

    /// What an xz-compressed file holds.
    pub(crate) fn unxz(&self, file: &Path) -> Result<Vec<u8>> {
        let output = self
            .command("usr/bin/xz", "xz")
            .args(["--decompress", "--stdout"])
            .arg(file)
            .output()?;
        if !output.status.success() {
            bail!(
                "{} cannot be unpacked: {}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(output.stdout)
    }

    /// Writes the index of a folder of modules (`BASE/lib/modules/RELEASE`).
    pub(crate) fn depmod(&self, base: &Path) -> Result<()> {
        let status = self
            .command("usr/bin/kmod", "depmod")
            .args(["-b", &base.display().to_string(), "-m", "/lib/modules"])
            .arg(&self.kernel)
            .status()?;
        if !status.success() {
            bail!("depmod over {}: {status}", base.display());
        }
        Ok(())
    }
}

/// The address apt on this machine fetches Debian's own packages from.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(ORIGIN)"])
        .output()
        .context("apt-get does not run: the guest needs a Debian machine")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        // Debian's other archives (security fixes) have suites of other names.
        .find(|(address, origin)| *origin == "Debian" && !address.contains("security"))
        .map(|(address, _)| address.trim_end_matches('/').to_owned())
        .context("apt is set to no mirror of Debian: /etc/apt/sources.list.d has to name one, and `apt-get update` to have run")
}

fn fetch(guest: &Path, root: &Path) -> Result<()> {
    let start = Instant::now();
    let mirror = mirror()?;
    let pinned: Vec<String> = PACKAGES
        .iter()
        .map(|(package, version)| format!("{package}={version}"))
        .collect();
    eprintln!(
        "── fetching QEMU, a kernel and the guest's programs from Debian: 500 MB unpacked, once"
    );
    if let Err(error) = unpack(guest, root, &mirror, &pinned) {
        if !error.to_string().contains("was not found")
            && !error.to_string().contains("Unable to locate")
        {
            return Err(error);
        }
        eprintln!("   the mirror has moved on from the pinned versions; taking what it has now");
        let newest: Vec<String> = NEWEST.iter().map(|&package| package.to_owned()).collect();
        unpack(guest, root, &mirror, &newest)?;
    }
    eprintln!("   done in {:.0} s", start.elapsed().as_secs_f64());
    let debian = Debian {
        root: root.to_owned(),
        kernel: std::fs::read_dir(root.join("usr/lib/modules"))?
            .flatten()
            .next()
            .map(|release| release.file_name().to_string_lossy().into_owned())
            .context("Debian's kernel package holds no modules")?,
    };
    debian.depmod(&root.join("usr"))
}

fn unpack(guest: &Path, root: &Path, mirror: &str, packages: &[String]) -> Result<()> {
    let fresh = guest.join("debian.new");
    for old in [root, &fresh] {
        if old.exists() {
            std::fs::remove_dir_all(old).with_context(|| format!("old {}", old.display()))?;
        }
    }
    std::fs::create_dir_all(guest)?;
    let include: Vec<&str> = packages
        .iter()
        .map(String::as_str)
        .chain(OTHERS.iter().copied())
        .collect();
    let output = Command::new("mmdebstrap")
        .args(["--variant=extract", "--quiet"])
        // A mirror may be a frozen copy.
        .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
        .arg(format!("--include={}", include.join(",")))
        .arg(SUITES[0])
        .arg(&fresh)
        .args(SUITES.map(|suite| format!("deb {mirror} {suite} main")))
        .stdin(Stdio::null())
        .output()
        .context("mmdebstrap does not run: `cargo xtask setup` installs it")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let tail: Vec<&str> = said.lines().rev().take(15).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!(
            "Debian's packages cannot be fetched (is there a network, and does `apt-get update` work?); mmdebstrap said:\n{}",
            tail.join("\n")
        );
    }
    std::fs::rename(&fresh, root).with_context(|| format!("into {}", root.display()))
}
