//! One QEMU: its command line, and a process that never outlives us.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use super::debian::Debian;

/// For a kernel whose CPUs are emulated, on a host that has other work too.
const SLOW_MACHINE: &str = "mitigations=off tsc=reliable rcupdate.rcu_cpu_stall_timeout=120";

/// A machine without any device but its serial ports.
pub(crate) struct Machine {
    arguments: Vec<String>,
}

impl Machine {
    /// `append` goes to the kernel's command line.
    pub(crate) fn new(
        debian: &Debian,
        initramfs: &Path,
        folder: &Path,
        iommu: bool,
        append: &str,
    ) -> Self {
        let shown = |path: PathBuf| path.display().to_string();
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
        add(&["-nodefaults", "-no-reboot", "-display", "none"]);
        add(&[
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "768M",
        ]);
        // Another process answers the device's DMA, so the memory has to be shared.
        add(&["-object", "memory-backend-memfd,id=mem,size=768M,share=on"]);
        // Without the old timer the kernel measures its clock by the HPET. Disturbed by the host's other work, the
        // old one said a tenth of the frequency once, and every second of that guest was over in 0.12.
        // Behind an IOMMU the kernel does not boot without it.
        if iommu {
            // Before every other device.
            add(&["-machine", "q35,memory-backend=mem,kernel-irqchip=split"]);
            add(&["-device", "intel-iommu,intremap=on,caching-mode=on"]);
        } else {
            add(&["-machine", "q35,memory-backend=mem,pit=off"]);
        }
        for data in ["qemu", "seabios"] {
            add(&["-L", &shown(debian.path(&format!("usr/share/{data}")))]);
        }
        add(&["-L", &shown(debian.path("usr/lib/ipxe/qemu"))]);
        add(&[
            "-kernel",
            &shown(debian.kernel_image()),
            "-initrd",
            &shown(initramfs.to_owned()),
        ]);
        let iommu = if iommu {
            " intel_iommu=on iommu=pt"
        } else {
            ""
        };
        add(&[
            "-append",
            &format!("console=ttyS0 panic=-1 loglevel=5 {SLOW_MACHINE}{iommu} {append}"),
        ]);
        let console = shown(folder.join("console.log"));
        add(&[
            "-chardev",
            &format!("file,id=console,path={console}"),
            "-serial",
            "chardev:console",
        ]);
        add(&[
            "-chardev",
            "stdio,id=checks,signal=off",
            "-serial",
            "chardev:checks",
        ]);
        Self { arguments }
    }

    /// More words of QEMU's command line.
    pub(crate) fn with(mut self, words: &[&str]) -> Self {
        self.arguments
            .extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// Starts it; `folder` gets what it prints, and its command line.
    pub(crate) fn start(&self, debian: &Debian, folder: &Path) -> Result<Qemu> {
        // The kernel ends it when we end, however that comes about.
        let mut words: Vec<String> = ["nice", "-n", "5", "setpriv", "--pdeathsig", "KILL"]
            .map(str::to_owned)
            .to_vec();
        words.extend(debian.words("usr/bin/qemu-system-x86_64", "qemu-system-x86_64"));
        words.extend(self.arguments.iter().cloned());
        std::fs::write(folder.join("qemu.command"), words.join(" \\\n  "))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env(
            "QEMU_MODULE_DIR",
            debian.path("usr/lib/x86_64-linux-gnu/qemu"),
        );
        Qemu::spawn(command, folder)
    }
}

/// A running QEMU; dropping it ends it.
pub(crate) struct Qemu {
    child: Child,
    pub(crate) answers: Option<ChildStdin>,
    pub(crate) lines: Option<ChildStdout>,
}

impl Qemu {
    /// Starts `command`; its stderr goes to a file in `folder`.
    pub(crate) fn spawn(mut command: Command, folder: &Path) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("qemu.log"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let answers = child.stdin.take();
        let lines = child.stdout.take();
        Ok(Self {
            child,
            answers,
            lines,
        })
    }

    /// Ends it, unless it has ended itself.
    pub(crate) fn end(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.end();
    }
}
