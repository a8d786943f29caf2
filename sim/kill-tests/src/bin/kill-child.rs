//! The process that is killed: `kill-child medium|model|rtl FOLDER` writes until then.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, bail, ensure};
use nvme_conformance::{DeviceOptions, Rig};
use nvme_kill_tests::{
    BLOCK_BYTES, UNIT_BLOCKS, Writer, filled, image, note, unit_numbers, unit_of,
};
use nvme_model::medium::{ATOMIC_UNIT_BYTES, Medium};
use nvme_model::{Model, ModelOptions};
use pcie_host::HostOptions;
use pcie_host::endpoint::{Endpoint, FunctionId};

/// The device's image: a factory is a function, and takes what all twins know.
static IMAGE: OnceLock<PathBuf> = OnceLock::new();

fn opened() -> Medium {
    let path = IMAGE.get().expect("an image");
    Medium::open_file(path, None).expect("its image")
}

fn model(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let mut made = ModelOptions::new(opened());
    made.virtual_functions = options.virtual_functions;
    Box::new(Model::new(made).expect("a device"))
}

#[cfg(feature = "rtl")]
fn rtl(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let made = nvme_rtl::RtlOptions {
        virtual_functions: options.virtual_functions,
        ..nvme_rtl::RtlOptions::new(opened())
    };
    Box::new(nvme_rtl::RtlDevice::new(made).expect("a device"))
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [writer, folder] = arguments.as_slice() else {
        bail!("usage: kill-child medium|model|rtl FOLDER");
    };
    let writer = Writer::named(writer).context("medium, model or rtl")?;
    let folder = Path::new(folder);
    let image = IMAGE.get_or_init(|| image(folder));
    let mut note = OpenOptions::new().write(true).open(note(folder))?;
    let medium = Medium::open_file(image, None)?;
    let next = 1 + unit_numbers(&medium)?.into_iter().max().unwrap_or(0);
    match writer {
        Writer::Medium => write_medium(medium, next, &mut note),
        Writer::Model => {
            drop(medium);
            write_device(writer, model, next, &mut note)
        }
        #[cfg(feature = "rtl")]
        Writer::Rtl => {
            drop(medium);
            write_device(writer, rtl, next, &mut note)
        }
        #[cfg(not(feature = "rtl"))]
        Writer::Rtl => bail!("this build has no Verilog in it (cargo feature `rtl`)"),
    }
}

fn noted(writer: Writer, write: u64, note: &File) -> anyhow::Result<()> {
    if write.is_multiple_of(writer.writes_a_note()) {
        note.write_all_at(&write.to_le_bytes(), 0)?;
    }
    Ok(())
}

fn write_medium(mut medium: Medium, next: u64, note: &mut File) -> anyhow::Result<()> {
    for write in next.. {
        let offset = unit_of(write) * ATOMIC_UNIT_BYTES as u64;
        medium.write_atomic(offset, &filled(write));
        noted(Writer::Medium, write, note)?;
    }
    Ok(())
}

fn write_device(
    writer: Writer,
    factory: nvme_conformance::Factory,
    next: u64,
    note: &mut File,
) -> anyhow::Result<()> {
    let options = DeviceOptions {
        virtual_functions: 0,
        block_bytes: BLOCK_BYTES,
        ..DeviceOptions::default()
    };
    let rig = Rig::build(factory, options, HostOptions::default());
    let mut controller = rig.io_controller(FunctionId::PF);
    let buffer = controller.buffer(ATOMIC_UNIT_BYTES);
    for write in next.. {
        buffer.write(0, &filled(write));
        let lba = unit_of(write) * u64::from(UNIT_BLOCKS);
        let command = controller.write(lba, UNIT_BLOCKS, &buffer);
        let status = controller.io(command);
        ensure!(status.is_success(), "write {write} ended with {status}");
        controller.forget_prp_lists();
        noted(writer, write, note)?;
    }
    Ok(())
}
