//! Several clients on one device in one thread, moved on in an order that a seed decides.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rdstore::testing::{MemoryDevice, MemoryPageStore};
use rdstore::{Client, Error, Outcome, Ticket};

/// Moves all clients on once, and hands out what ended; time passes when nothing does.
pub(crate) fn turn(
    device: &MemoryDevice,
    clients: &mut [Option<Client<MemoryPageStore>>],
    random: &mut Pcg64Mcg,
    mut on_outcome: impl FnMut(usize, Ticket, Result<Outcome, Error>),
) {
    let mut order: Vec<usize> = (0..clients.len()).collect();
    order.shuffle(random);
    let mut moved = false;
    let mut outcomes = Vec::new();
    for index in order {
        let Some(client) = &mut clients[index] else {
            continue;
        };
        client.poll(&mut outcomes);
        for (ticket, result) in outcomes.drain(..) {
            moved = true;
            on_outcome(index, ticket, result);
        }
    }
    if moved && random.random_range(0..4) > 0 {
        return;
    }
    if !device.advance() {
        device.pass(1_000);
    }
}
