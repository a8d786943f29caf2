//! Resets of a function whose read is next to be sent, when there is no completion space for it: others
//! wait behind it, and must be asked again once it is gone.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::ReadFault;
use pcie_host::endpoint::FunctionId;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::reset::reset;
use crate::rig::{Buffer, Controller, Factory, Rig};
use crate::scale;

const SUCCESS: Status = Status::SUCCESS;
const HOLDER: FunctionId = FunctionId::PF;
const VICTIM: FunctionId = FunctionId(1);
const OTHER: FunctionId = FunctionId(2);

/// One function's read of data takes all completion space, another's read of SQEs waits for it, a third
/// waits for its turn to ask for SQEs. The one in the middle is reset: the third is answered. The
/// cycle model's fetch engine once slept on; a campaign of a million random actions told it.
pub fn who_waits_for_submission_entries(device: Factory) {
    for by_register in [true, false] {
        let rig = Rig::narrow(device);
        let [mut holder, mut victim, mut other] =
            [HOLDER, VICTIM, OTHER].map(|function| rig.io_controller(function));
        let buffer = holder.buffer(4096);
        let late = ReadFault::Delayed { by_cycles: 20_000 };
        rig.spoil_read(HOLDER, buffer.address..buffer.address + 4, late);
        let write = holder.write(0, 4096 / rig.device.block_bytes, &buffer);
        let held = holder.submit(1, &[write])[0];
        rig.run(2_000);
        victim.submit(1, &[SubmissionEntry::flush()]);
        rig.run(100);
        let behind = other.submit(1, &[SubmissionEntry::flush()])[0];
        rig.run(100);
        reset(&rig, &mut victim, by_register);
        assert_eq!(other.wait(1, behind).status(), SUCCESS);
        assert_eq!(holder.wait(1, held).status(), SUCCESS);
        victim.enable(32, 32);
        victim.create_queue_pair(1, 16);
        assert_eq!(victim.io(SubmissionEntry::flush()), SUCCESS);
    }
}

/// Each of three functions writes 32 KiB, whose addresses are in a list, through that narrow space, one
/// doorbell after the other at any distance, and one of them is reset at any moment. The others' commands
/// succeed.
pub fn who_waits_for_anything(device: Factory) {
    const BYTES: u32 = 32 << 10;
    let rig = Rig::narrow(device);
    let blocks = BYTES / rig.device.block_bytes;
    let mut others = [HOLDER, OTHER].map(|function| rig.io_controller(function));
    let buffers = others.each_mut().map(|other| other.buffer(BYTES as usize));
    let mut random = Pcg64Mcg::seed_from_u64(1);
    for round in 0..scale(40, 400) {
        let mut victim = rig.io_controller(VICTIM);
        let buffer = victim.buffer(BYTES as usize);
        let mut write = |controller: &mut Controller, buffer: &Buffer| {
            let lba = u64::from(controller.function.0) * u64::from(blocks);
            let write = controller.write(lba, blocks, buffer);
            let id = controller.submit(1, &[write])[0];
            rig.run(random.random_range(0..400));
            id
        };
        let first = write(&mut others[0], &buffers[0]);
        write(&mut victim, &buffer);
        let second = write(&mut others[1], &buffers[1]);
        reset(&rig, &mut victim, round % 2 == 0);
        buffer.unmap();
        for (other, id) in others.iter_mut().zip([first, second]) {
            assert_eq!(other.wait(1, id).status(), SUCCESS, "round {round}");
        }
        assert_eq!(rig.take_dma_faults(), [], "round {round}");
    }
}
