//! Commands of NVMe through the server, by each way memory and doorbells can come.

use nvme_spec::opcode::{admin, nvm};
use nvme_spec::{Status, SubmissionEntry};

use nvme_model::DataPath;

use crate::client::{BASE, Client, DATA};
use crate::rig::Rig;

fn identify() -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin::IDENTIFY);
    entry.cdw10 = 1;
    entry.prp1 = BASE + DATA as u64;
    entry
}

fn served(data_path: DataPath) -> Rig {
    Rig::with(move |options, model| {
        options.spin = Some(std::time::Duration::ZERO);
        model.data_path = data_path;
    })
}

const DATA_PATHS: [DataPath; 2] = [DataPath::Timed, DataPath::AtOnce];

/// Writes some blocks, reads them back elsewhere.
fn write_and_read(client: &mut Client) {
    for block in 0..8_u64 {
        let data: Vec<u8> = (0..4096_u32)
            .map(|at| (at as u8).wrapping_add(block as u8 * 31))
            .collect();
        client.memory.write(DATA, &data);
        let write = Client::transfer(nvm::WRITE, block, DATA);
        assert_eq!(client.run(1, write), Status::SUCCESS);
        let read = Client::transfer(nvm::READ, block, DATA + 0x1000);
        assert_eq!(client.run(1, read), Status::SUCCESS);
        let mut seen = vec![0; 4096];
        client.memory.read(DATA + 0x1000, &mut seen);
        assert!(seen == data, "block {block}");
    }
}

#[test]
fn identify_says_who_it_is() {
    let rig = Rig::new(2);
    for (function, name) in ["pf", "vf0"].into_iter().enumerate() {
        let mut client = Client::connect(&rig.socket(name));
        client.bring_up(true);
        assert_eq!(client.run(0, identify()), Status::SUCCESS);
        let mut data = [0; 4096];
        client.memory.read(DATA, &mut data);
        assert_eq!(data[0..2], [0xee, 0x10], "vendor");
        // Linux takes functions of one subsystem for one controller unless their CNTLID differ.
        assert_eq!(data[78..80], [function as u8, 0], "CNTLID");
    }
}

#[test]
fn blocks_are_written_and_read_with_trapped_doorbells() {
    let rig = Rig::new(1);
    let mut client = Client::connect(&rig.socket("pf"));
    client.bring_up(true);
    write_and_read(&mut client);
    assert_eq!(client.answered, 0);
}

#[test]
fn blocks_are_written_and_read_with_mapped_doorbells() {
    for data_path in DATA_PATHS {
        let rig = served(data_path);
        let mut client = Client::connect(&rig.socket("pf"));
        client.map_doorbells();
        client.bring_up(true);
        write_and_read(&mut client);
    }
}

#[test]
fn blocks_are_written_and_read_in_memory_that_is_not_shared() {
    for data_path in DATA_PATHS {
        let rig = served(data_path);
        let mut client = Client::connect(&rig.socket("pf"));
        client.bring_up(false);
        write_and_read(&mut client);
        assert!(client.answered > 100, "{}", client.answered);
    }
}
