//! Asks a device to write where it must not: `stray_dma 0000:01:00.0`, as root, since only root
//! learns physical addresses.
//!
//! The data of an Identify command go to the physical address of a page of this process that was never mapped for
//! the device. Without an IOMMU the page would be overwritten. Exit code 1 when it was, or when the
//! device does not serve a proper command afterwards.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

use nvme_driver::{Controller, ControllerOptions};
use nvme_hosted::HostedOptions;
use nvme_spec::SubmissionEntry;
use nvme_spec::identify::CNS_CONTROLLER;

const PAGE_BYTES: usize = 4096;
const PATTERN: u8 = 0xa5;

/// Where the page at `address` of this process is in the machine's memory.
fn physical_address(address: usize) -> Result<u64, String> {
    // One word a page: bit 63 says that it is there, bits 0 to 54 where.
    let pagemap = File::open("/proc/self/pagemap").map_err(|error| format!("pagemap: {error}"))?;
    let mut word = [0; 8];
    let place = (address / PAGE_BYTES * word.len()) as u64;
    pagemap
        .read_exact_at(&mut word, place)
        .map_err(|error| format!("pagemap: {error}"))?;
    let word = u64::from_le_bytes(word);
    let frame = word & ((1 << 55) - 1);
    if word >> 63 == 0 || frame == 0 {
        return Err("no physical address is shown: this needs root".to_owned());
    }
    Ok(frame * PAGE_BYTES as u64)
}

fn run(address: &str) -> Result<(), String> {
    let transport = nvme_vfio::open(address, address, HostedOptions::default())
        .map_err(|error| error.to_string())?;
    let controller = Controller::open(transport, ControllerOptions::default())
        .map_err(|error| error.to_string())?;
    let memory = vec![PATTERN; 2 * PAGE_BYTES];
    let start = memory.as_ptr().align_offset(PAGE_BYTES);
    let page = &memory[start..start + PAGE_BYTES];
    let target = physical_address(page.as_ptr() as usize)?;
    let stray = SubmissionEntry::identify(CNS_CONTROLLER, 0).with_prps(target, 0);
    // A write that goes nowhere is no error of the command, and may be one.
    match controller.execute(stray) {
        Ok(_) => println!("the command to {target:#x} ended well"),
        Err(error) => println!("the command to {target:#x} ended with: {error}"),
    }
    // The compiler does not know of the device.
    let page = std::hint::black_box(page);
    let hit = page.iter().filter(|&&byte| byte != PATTERN).count();
    if hit > 0 {
        return Err(format!(
            "{hit} bytes of a page that is not mapped for the device were overwritten"
        ));
    }
    let identity = controller
        .identify_controller()
        .map_err(|error| format!("the device does not work any more: {error}"))?;
    drop(identity);
    println!("the page is untouched, and the device works");
    Ok(())
}

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("which function? stray_dma 0000:01:00.0");
        return ExitCode::from(2);
    };
    match run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stray_dma: {error}");
            ExitCode::FAILURE
        }
    }
}
