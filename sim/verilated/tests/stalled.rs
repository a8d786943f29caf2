//! Device tests once more, with ports that are not ready, or have nothing to offer, in random cycles:
//! beat by beat, which the model does not know.

#![cfg(feature = "verilator")]

mod support;

use nvme_conformance::{DeviceOptions, Factory, campaign, data, fused, registers, traffic};
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::endpoint::Endpoint;

fn stalled<const SEED: u64>(wanted: &DeviceOptions) -> Box<dyn Endpoint> {
    let options = RtlOptions {
        stalls: Some(SEED),
        ..support::options(wanted)
    };
    Box::new(RtlDevice::new(options).expect("a device"))
}

/// Another seed for each test.
macro_rules! with_stalls {
    ($($seed:literal $name:ident = $test:path;)*) => {
        $(
            #[test]
            fn $name() {
                let device: Factory = stalled::<$seed>;
                $test(device);
            }
        )*
    };
}

with_stalls! {
    1 random_commands = campaign::random_commands;
    2 blocks_are_registers = data::history::blocks_are_registers;
    3 every_link = data::links::every_link;
    4 errors_at_random = data::links::errors_at_random;
    5 units_are_written_and_read_whole = data::locks::units_are_written_and_read_whole;
    6 large_reads_see_one_moment = data::locks::large_reads_see_one_moment;
    7 data_lost_in_the_middle = data::torn::data_lost_in_the_middle;
    8 every_size_up_to_the_limit = fused::outcome::every_size_up_to_the_limit;
    9 no_increment_is_lost = fused::atomicity::no_increment_is_lost;
    10 across_two_prefetches = fused::split::across_two_prefetches;
    11 function_reset_under_load = registers::reset::function_reset_under_load;
    12 hot_reset = registers::reset::hot_reset;
    13 writes_of_any_shape = registers::controller::writes_of_any_shape;
    14 depth_of_1024_with_wraps = traffic::depth::depth_of_1024_with_wraps;
    15 no_message_is_lost = traffic::interrupts::no_message_is_lost;
    16 submission_queues_share_a_completion_queue =
        traffic::depth::submission_queues_share_a_completion_queue;
}
