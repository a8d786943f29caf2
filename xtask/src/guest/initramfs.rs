//! What a guest boots into: busybox, the scripts of `xtask/guest`, and of kernel modules and programs only what
//! its checks need, since a small image boots sooner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::debian::Debian;
use crate::step::root;

/// Where the guest's libraries are.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// What goes into an image.
pub(crate) struct Content<'a> {
    /// The script of `xtask/guest` that runs the checks.
    pub(crate) script: &'a str,
    /// Kernel modules; those they need come with them.
    pub(crate) modules: &'a [&'a str],
    /// Debian's programs, by path.
    pub(crate) programs: &'a [&'a str],
    /// Programs of our own.
    pub(crate) own: &'a [PathBuf],
}

/// Writes the image to `to`; `scratch` is an empty folder.
pub(crate) fn write(debian: &Debian, content: &Content, scratch: &Path, to: &Path) -> Result<()> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "tmp", "mnt", "run", "etc", "bin"] {
        archive.folder(folder);
    }
    archive.device("dev/console", 5, 1);
    archive.link("sbin", "usr/sbin");
    archive.link("lib64", LIBRARIES);
    archive.link("lib", "usr/lib");
    archive.folder("usr/sbin");
    archive.folder(LIBRARIES);
    archive.file("bin/busybox", read(&debian.path("usr/bin/busybox"))?);
    // The kernel itself calls this one.
    archive.link("usr/sbin/modprobe", "/bin/busybox");
    let scripts = root().join("xtask/guest");
    archive.file("init", read(&scripts.join("init"))?);
    for script in ["checks.sh", "driver.sh", "vfio-bind.sh"] {
        archive.file(script, read(&scripts.join(script))?);
    }
    archive.file("allowed", read(&scripts.join("allowed-kernel-messages"))?);
    archive.file("run.sh", read(&scripts.join(content.script))?);
    modules(&mut archive, debian, content.modules, scratch)?;
    programs(&mut archive, debian, content)?;
    std::fs::write(to, archive.bytes()).with_context(|| to.display().to_string())
}

fn programs(archive: &mut Archive, debian: &Debian, content: &Content) -> Result<()> {
    let mut libraries = BTreeSet::new();
    for path in content.programs {
        let program = debian.path(path);
        archive.file(path, read(&program)?);
        libraries.extend(debian.libraries(&program)?);
    }
    for program in content.own {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&format!("usr/bin/{name}"), read(program)?);
        libraries.extend(debian.libraries(program)?);
    }
    if content.programs.iter().any(|path| path.ends_with("lspci")) {
        let names = "usr/share/misc/pci.ids";
        archive.file(names, read(&debian.path(names))?);
    }
    if !libraries.is_empty() {
        libraries.insert(debian.path(&format!("{LIBRARIES}/ld-linux-x86-64.so.2")));
    }
    for library in libraries {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&format!("{LIBRARIES}/{name}"), read(&library)?);
    }
    Ok(())
}

/// The modules and what they need, unpacked, with an index of their own.
fn modules(archive: &mut Archive, debian: &Debian, names: &[&str], scratch: &Path) -> Result<()> {
    let release = format!("lib/modules/{}", debian.kernel);
    let folder = debian.path(&format!("usr/{release}"));
    let index = folder.join("modules.dep");
    let index = std::fs::read_to_string(&index).with_context(|| index.display().to_string())?;
    let mut files = BTreeSet::new();
    for name in names {
        let line = index
            .lines()
            .find(|line| stem(line.split(':').next().unwrap_or_default()) == *name)
            .with_context(|| format!("the kernel {} has no module {name}", debian.kernel))?;
        files.extend(line.split([':', ' ']).filter(|word| !word.is_empty()));
    }
    for file in files {
        let unpacked = file.trim_end_matches(".xz");
        let to = scratch.join(&release).join(unpacked);
        std::fs::create_dir_all(to.parent().unwrap_or(scratch))?;
        let data = debian.unxz(&folder.join(file))?;
        std::fs::write(&to, &data)?;
        archive.file(&format!("usr/{release}/{unpacked}"), data);
    }
    for list in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        std::fs::create_dir_all(scratch.join(&release))?;
        std::fs::copy(folder.join(list), scratch.join(&release).join(list))?;
    }
    debian.depmod(scratch)?;
    for list in ["modules.dep", "modules.alias", "modules.softdep"] {
        let data = read(&scratch.join(&release).join(list))?;
        archive.file(&format!("usr/{release}/{list}"), data);
    }
    Ok(())
}

/// `kernel/drivers/nvme/host/nvme-core.ko.xz`: `nvme_core`.
fn stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    name.split(".ko")
        .next()
        .unwrap_or_default()
        .replace('-', "_")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_module_goes_by_its_name_not_its_file() {
        assert_eq!(
            super::stem("kernel/drivers/nvme/host/nvme-core.ko.xz"),
            "nvme_core"
        );
    }
}
