//! Fair by bytes: what one function does takes nothing from another.

use nvme_spec::doorbell;
use pcie_host::endpoint::Cycle;

use super::load::{Client, Kind, Load, measure, seven_functions};
use crate::rig::{Factory, Rig};
use crate::scale;

/// Bytes that functions with these loads, the PF and on, move at once in `cycles`.
pub fn side_by_side(factory: Factory, loads: &[Load], cycles: Cycle) -> Vec<u64> {
    let rig = seven_functions(factory);
    measure(&rig, &mut Client::all(&rig, loads), cycles)
}

/// Largest distance of one function's bytes from their mean, as a share of it.
pub fn largest_deviation(bytes: &[u64]) -> f64 {
    let mean = bytes.iter().sum::<u64>() as f64 / bytes.len() as f64;
    bytes
        .iter()
        .map(|&own| (own as f64 / mean - 1.0).abs())
        .fold(0.0, f64::max)
}

/// Bytes that six functions at full rate move in `cycles`: alone, and beside a seventh whose
/// completion queue heads never move.
///
/// # Panics
/// The seventh does not stop when its completion queues are full, or does not go on when its host
/// takes the entries.
pub fn beside_a_stuck_function(factory: Factory, kind: Kind, cycles: Cycle) -> (u64, u64) {
    let load = Load::small(kind);
    let alone = side_by_side(factory, &[load; 6], cycles).iter().sum();
    let rig = seven_functions(factory);
    let mut stuck = StuckFunction::start(&rig, kind);
    let mut six = Client::all(&rig, &[load; 6]);
    let beside = measure(&rig, &mut six, cycles).iter().sum();
    stuck.goes_on_when_its_host_does(&rig);
    (alone, beside)
}

/// Function 6 with four completion queues of four slots, whose host never moves their heads.
struct StuckFunction(Client);

impl StuckFunction {
    fn start(rig: &Rig, kind: Kind) -> Self {
        let load = Load {
            depth: 16,
            ..Load::small(kind).on_queues(4)
        };
        let mut client = Client::new(rig, 6, load);
        let controller = &mut client.controller;
        for queue_id in 1..=load.queues {
            controller.delete_queue_pair(queue_id);
            controller.create_completion_queue(queue_id, 4, None);
            controller.create_submission_queue(queue_id, 64, queue_id);
        }
        let queues = controller.completion.iter_mut();
        queues
            .filter(|(id, _)| **id > 0)
            .for_each(|(_, queue)| queue.stuck = true);
        client.start();
        rig.run(50_000);
        Self(client)
    }

    fn goes_on_when_its_host_does(&mut self, rig: &Rig) {
        let Client {
            controller, load, ..
        } = &mut self.0;
        // Three entries fit a queue of four slots; of pairs, one.
        let stopped_at = 3 / load.kind.entries() * load.kind.entries();
        assert_eq!(
            controller.poll(),
            usize::from(load.queues) * stopped_at,
            "{:?}: entries",
            load.kind
        );
        rig.run(50_000);
        assert_eq!(controller.poll(), 0);
        for queue in controller.completion.values_mut() {
            queue.stuck = false;
        }
        for queue_id in 1..=load.queues {
            let head = controller.completion[&queue_id].head;
            controller.write32(doorbell::completion_head_offset(queue_id), head);
        }
        let deadline = rig.host.now() + 2_000_000;
        while controller.outstanding() > 0 {
            controller.poll();
            assert!(
                rig.host.step() && rig.host.now() < deadline,
                "it does not go on"
            );
        }
    }
}

/// How far the functions' shares may be apart.
const TOLERANCE: f64 = 0.05;

fn window() -> Cycle {
    scale(400_000, 4_000_000)
}

/// Where one command of 128 KiB must not be a few per cent of all that is measured.
fn long_window() -> Cycle {
    scale(2_500_000, 10_000_000)
}

fn assert_equal_shares(device: Factory, loads: &[Load], cycles: Cycle) {
    let bytes = side_by_side(device, loads, cycles);
    let deviation = largest_deviation(&bytes);
    assert!(
        deviation <= TOLERANCE,
        "{loads:?}: {bytes:?} bytes, up to {deviation:.3} from the mean"
    );
}

/// Seven equal functions get equal shares.
pub fn equal_loads(device: Factory) {
    for kind in Kind::ALL {
        assert_equal_shares(device, &[Load::small(kind); 7], window());
    }
}

/// Four queues of one function gain nothing over one queue of another. Where commands take no time, the
/// round trip of a queue's SQEs is what counts, and four queues have four of them under way.
pub fn one_queue_against_four(device: Factory) {
    if !Rig::new(device).host.keeps_time() {
        return;
    }
    for load in Kind::ALL.map(Load::small) {
        assert_equal_shares(device, &[load, load.on_queues(4)], window());
    }
}

/// 128 KiB commands gain nothing over 4 KiB commands.
pub fn small_commands_against_large(device: Factory) {
    for kind in Kind::ALL {
        let loads = [Load::small(kind), Load::large(kind)];
        assert_equal_shares(device, &loads, long_window());
    }
}

/// One function with four queues of 128 KiB against six with one queue of 4 KiB each.
pub fn one_greedy_function(device: Factory) {
    for kind in Kind::ALL {
        let mut loads = [Load::small(kind); 7];
        loads[3] = Load::large(kind).on_queues(4);
        assert_equal_shares(device, &loads, long_window());
    }
}

/// A host that never moves its completion queue head stops itself only: the six others lose at most
/// 3 % of what they have without it.
pub fn stuck_completion_queue(device: Factory) {
    for kind in Kind::ALL {
        let (alone, beside) = beside_a_stuck_function(device, kind, window());
        assert!(
            beside as f64 >= 0.97 * alone as f64,
            "{kind:?}: the six have {beside} bytes beside a stuck function, {alone} without it"
        );
    }
}
