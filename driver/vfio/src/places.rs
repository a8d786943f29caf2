//! From an address to the device file to open, or to the reason why there is none.

use std::path::{Path, PathBuf};

use nvme_hosted::config_space::not_nvme;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::error::VfioError;
use crate::sysfs::SysfsDevice;

/// How a function is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// By its own device file, and an address space of iommufd.
    DeviceFile,
    /// By its group, and a container.
    Group,
}

/// Is the function at `address` ours to take, and how?
pub(crate) fn find_way(root: &Path, address: &str) -> Result<(SysfsDevice, Way), VfioError> {
    let device = SysfsDevice::new(root, address);
    let address = address.to_owned();
    if !device.exists() {
        let nvme = device.nvme_controllers();
        return Err(VfioError::NoDevice { address, nvme });
    }
    if let Some(reason) = device.class_code().and_then(not_nvme) {
        return Err(VfioError::NotNvme { address, reason });
    }
    let driver = device.driver();
    // Makers' own variants of vfio-pci have it in their names.
    if !driver
        .as_deref()
        .is_some_and(|driver| driver.contains("vfio"))
    {
        // Without a driver there is no telling whether it is for lack of an IOMMU, too.
        let commands = commands(&address, driver.is_some());
        return Err(VfioError::WrongDriver {
            address,
            driver,
            commands,
        });
    }
    let Some(group) = device.group() else {
        return Err(VfioError::NoIommu { address });
    };
    let by_group = root.join("dev/vfio").join(&group);
    let own = device
        .device_file()
        .map(|name| root.join("dev/vfio/devices").join(name))
        .filter(|file| file.exists() && root.join("dev/iommu").exists());
    if let Some(file) = &own {
        let both = usable(file).and_then(|()| usable(&root.join("dev/iommu")));
        match both {
            Ok(()) => return Ok((device, Way::DeviceFile)),
            // The group's file may belong to this user where the other does not.
            Err(_) if usable(&by_group).is_ok() => {}
            Err(errno) => return Err(no_access(address, file, errno)),
        }
    }
    usable(&by_group).map_err(|errno| no_access(address.clone(), &by_group, errno))?;
    let others: Vec<String> = device
        .others_in_group()
        .into_iter()
        .filter_map(|(other, driver)| {
            let driver =
                driver.filter(|driver| !driver.contains("vfio") && driver != "pci-stub")?;
            Some(format!("{other} ({driver})"))
        })
        .collect();
    if !others.is_empty() {
        return Err(VfioError::SharedGroup {
            address,
            group,
            others,
        });
    }
    Ok((device, Way::Group))
}

fn usable(file: &Path) -> Result<(), Errno> {
    rustix::fs::access(file, Access::READ_OK | Access::WRITE_OK)
}

fn no_access(address: String, file: &Path, errno: Errno) -> VfioError {
    let shown = show(file);
    let help = match errno {
        Errno::NOENT => "the kernel has made no such file; as root: modprobe vfio-pci".to_owned(),
        _ => format!(
            "this user may not open it; as root: chown {} {shown}{}",
            rustix::process::geteuid().as_raw(),
            if file.components().any(|part| part.as_os_str() == "devices") {
                " /dev/iommu"
            } else {
                ""
            }
        ),
    };
    VfioError::DeviceFile {
        address,
        file: shown,
        reason: format!("{errno}; {help}"),
    }
}

/// A path as it is on the machine, whatever root a test has put it below.
fn show(file: &Path) -> String {
    let parts: Vec<_> = file.iter().collect();
    let from = parts.iter().rposition(|part| *part == "dev").unwrap_or(0);
    Path::new("/")
        .join(parts[from..].iter().collect::<PathBuf>())
        .display()
        .to_string()
}

/// What hands a device over to vfio-pci.
fn commands(address: &str, bound: bool) -> String {
    let device = format!("/sys/bus/pci/devices/{address}");
    let unbind = if bound {
        format!("  echo {address} > {device}/driver/unbind\n")
    } else {
        String::new()
    };
    format!(
        "  modprobe vfio-pci\n  echo vfio-pci > {device}/driver_override\n{unbind}  \
         echo {address} > /sys/bus/pci/drivers_probe\nand back again, after `echo > \
         {device}/driver_override`, in the same way"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const ADDRESS: &str = "0000:01:00.0";

    /// A machine's files.
    struct Machine(TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(TempDir::new().expect("a folder"));
            machine.folder("sys/bus/pci/devices");
            machine
        }

        fn folder(&self, path: &str) -> PathBuf {
            let path = self.0.path().join(path);
            fs::create_dir_all(&path).expect("made");
            path
        }

        fn file(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, content).expect("written");
        }

        /// A device of this class with this driver in this group.
        fn device(&self, address: &str, class: &str, driver: Option<&str>, group: Option<&str>) {
            let device = self.folder(&format!("sys/bus/pci/devices/{address}"));
            fs::write(device.join("class"), class).expect("written");
            if let Some(driver) = driver {
                let target = self.folder(&format!("sys/bus/pci/drivers/{driver}"));
                symlink(target, device.join("driver")).expect("linked");
            }
            if let Some(group) = group {
                let target = self.folder(&format!("sys/kernel/iommu_groups/{group}"));
                let devices = self.folder(&format!("sys/kernel/iommu_groups/{group}/devices"));
                symlink(&device, devices.join(address)).expect("linked");
                symlink(target, device.join("iommu_group")).expect("linked");
            }
        }

        fn way(&self) -> Result<Way, String> {
            find_way(self.0.path(), ADDRESS)
                .map(|(_, way)| way)
                .map_err(|error| error.to_string())
        }

        #[track_caller]
        fn refuses(&self, parts: &[&str]) {
            let error = self.way().expect_err("something is in the way");
            for part in parts {
                assert!(error.contains(part), "no '{part}' in: {error}");
            }
        }
    }

    #[test]
    fn a_device_that_is_not_there_lists_those_that_are() {
        let machine = Machine::new();
        machine.refuses(&[ADDRESS, "no such PCI device", "no NVMe controller at all"]);
        machine.device("0000:02:00.0", "0x010802\n", None, None);
        machine.device("0000:00:01.0", "0x020000\n", None, None);
        machine.refuses(&["its NVMe controllers are 0000:02:00.0"]);
    }

    #[test]
    fn another_class_of_device_is_named() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x020000\n", Some("vfio-pci"), Some("3"));
        machine.refuses(&[ADDRESS, "020000h", "010802h"]);
    }

    #[test]
    fn the_kernels_own_driver_is_named_with_the_commands_that_help() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", Some("nvme"), Some("3"));
        machine.refuses(&[
            "'nvme'",
            "modprobe vfio-pci",
            "echo vfio-pci > /sys/bus/pci/devices/0000:01:00.0/driver_override",
            "echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind",
            "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe",
        ]);
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", None, Some("3"));
        machine.refuses(&["no driver has it", "drivers_probe"]);
        assert!(!machine.way().expect_err("no driver").contains("/unbind"));
    }

    #[test]
    fn without_an_iommu_there_is_no_way() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", Some("vfio-pci"), None);
        machine.refuses(&["no IOMMU", "intel_iommu=on"]);
    }

    #[test]
    fn a_missing_device_file_is_named() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", Some("vfio-pci"), Some("12"));
        machine.refuses(&["/dev/vfio/12", "modprobe vfio-pci"]);
    }

    #[test]
    fn a_neighbour_in_the_group_with_another_driver_is_named_a_bridge_is_not() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", Some("vfio-pci"), Some("12"));
        machine.device("0000:00:1c.0", "0x060400\n", Some("pcieport"), Some("12"));
        machine.device("0000:01:00.1", "0x010802\n", Some("vfio-pci"), Some("12"));
        machine.file("dev/vfio/12", "");
        assert_eq!(machine.way(), Ok(Way::Group));
        machine.device("0000:01:00.2", "0x020000\n", Some("e1000e"), Some("12"));
        machine.refuses(&["group 12", "0000:01:00.2 (e1000e)"]);
    }

    #[test]
    fn the_own_device_file_goes_first_where_iommufd_is_there_too() {
        let machine = Machine::new();
        machine.device(ADDRESS, "0x010802\n", Some("vfio-pci"), Some("12"));
        machine.folder(&format!("sys/bus/pci/devices/{ADDRESS}/vfio-dev/vfio0"));
        machine.file("dev/vfio/devices/vfio0", "");
        machine.file("dev/vfio/12", "");
        assert_eq!(machine.way(), Ok(Way::Group), "no /dev/iommu");
        machine.file("dev/iommu", "");
        assert_eq!(machine.way(), Ok(Way::DeviceFile));
    }

    #[test]
    fn a_file_that_may_not_be_opened_comes_with_the_command_that_helps() {
        let error = no_access(ADDRESS.into(), Path::new("/dev/vfio/12"), Errno::ACCESS);
        let error = error.to_string();
        for part in [
            "/dev/vfio/12: ",
            "ermission denied",
            "chown",
            " /dev/vfio/12",
        ] {
            assert!(error.contains(part), "no '{part}' in: {error}");
        }
        let file = Path::new("/dev/vfio/devices/vfio0");
        let error = no_access(ADDRESS.into(), file, Errno::ACCESS).to_string();
        assert!(
            error.ends_with("/dev/vfio/devices/vfio0 /dev/iommu"),
            "{error}"
        );
    }
}
