//! A command's data in host memory: pages in any order, a PRP list that may be chained, and what is
//! wrong with it.

use nvme_driver::transport::DmaPurpose;
use nvme_spec::prp::{self, Prp2};
use pcie_host::endpoint::FunctionId;
use pcie_host::{Access, Fault, Host, HostBuffer, ReadSelect};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use crate::script::{Command, Data, Spoil, contents};

const PAGE: u32 = 4096;
/// Bus addresses of commands' data, a window for each command, far from rings; and where nothing is
/// ever mapped.
const DATA_WINDOW: u64 = 1 << 50;
const HOLE: u64 = 0xde << 48;
/// What is in memory that the device is to write.
pub(crate) const UNTOUCHED: u8 = 0xa5;

/// Is a DMA there what a script has asked for?
pub(crate) fn is_hole(address: u64) -> bool {
    address & HOLE == HOLE
}

/// A command's data, in place.
pub(crate) struct Placed {
    data: HostBuffer,
    /// The list stays mapped as long as this lives.
    _list: Option<HostBuffer>,
    /// Page of the buffer that holds each page of the data.
    order: Vec<u32>,
    /// What the device finds in the command.
    pub(crate) prps: (u64, u64),
    fault: Option<Fault>,
}

impl Placed {
    pub(crate) fn new(
        host: &Host,
        function: u8,
        command: &Command,
        data: &Data,
        block_bytes: u32,
    ) -> Self {
        let owner = FunctionId(function);
        let pages = data.pages();
        let base = DATA_WINDOW + (u64::from(command.id) << 20);
        let mut order: Vec<u32> = (0..pages).collect();
        if data.scatter != 0 {
            order.shuffle(&mut Pcg64Mcg::seed_from_u64(data.scatter));
        }
        let buffer = host.allocate((pages * PAGE) as usize).expect("host memory");
        host.map(owner, base, &buffer, Access::ReadWrite, DmaPurpose::Data)
            .expect("an address of this command's own");
        let mut addresses: Vec<u64> = order
            .iter()
            .map(|page| base + u64::from(page * PAGE))
            .collect();
        match data.spoil {
            Some(Spoil::Unmapped { byte }) => {
                let page = ((data.offset + byte) / PAGE) as usize;
                addresses[page] = HOLE + (u64::from(command.id) << 20) + page as u64 * 4096;
            }
            Some(Spoil::Misaligned { byte }) => {
                let page = ((data.offset + byte) / PAGE) as usize;
                addresses[page] += 4 * u64::from(command.id % 1023 + 1);
            }
            _ => {}
        }
        let list_base = base + (1 << 19);
        let mut list = None;
        let prp1 = addresses[0] + u64::from(data.offset);
        let prp2 = match prp::second_entry(prp1 & !3, data.bytes.into()) {
            Prp2::Unused => 0,
            Prp2::DataPage => addresses[1],
            Prp2::List { .. } => {
                let words = list_words(&addresses[1..], list_base, data.list_offset);
                let memory = host.allocate(8 * words.len()).expect("host memory");
                for (index, word) in words.iter().enumerate() {
                    memory.write(8 * index, &word.to_le_bytes());
                }
                let mapped = data.spoil != Some(Spoil::UnmappedList);
                let at = if mapped { list_base } else { HOLE | list_base };
                if mapped {
                    host.map(owner, at, &memory, Access::Read, DmaPurpose::Data)
                        .expect("an address of this command's own");
                }
                list = Some(memory);
                at + u64::from(data.list_offset)
            }
        };
        let fault = match data.spoil {
            Some(Spoil::Read { byte, fault }) => {
                let at = data.offset + byte;
                let start = addresses[(at / PAGE) as usize] + u64::from(at % PAGE);
                Some((start, fault))
            }
            Some(Spoil::ReadOfList { fault }) => Some((prp2, fault)),
            _ => None,
        };
        let placed = Self {
            data: buffer,
            _list: list,
            order,
            prps: (prp1, prp2),
            fault: fault.map(|(start, fault)| Fault::Read {
                function: owner,
                select: ReadSelect::Address {
                    start,
                    end: start + 4,
                },
                fault,
            }),
        };
        placed.store(&initial(data, block_bytes));
        placed
    }

    /// Makes the host's read go wrong that is to go wrong.
    pub(crate) fn arm(&self, host: &Host) {
        if let Some(fault) = self.fault {
            host.inject(fault);
        }
    }

    fn store(&self, bytes: &[u8]) {
        for (page, bytes) in self.order.iter().zip(bytes.chunks(PAGE as usize)) {
            self.data.write((page * PAGE) as usize, bytes);
        }
    }

    /// All of its pages, in the order of the data.
    pub(crate) fn load(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.order.len() * PAGE as usize];
        for (page, bytes) in self.order.iter().zip(bytes.chunks_mut(PAGE as usize)) {
            self.data.read((page * PAGE) as usize, bytes);
        }
        bytes
    }
}

/// The pages of a command's data before it is sent.
pub(crate) fn initial(data: &Data, block_bytes: u32) -> Vec<u8> {
    let mut bytes = vec![UNTOUCHED; (data.pages() * PAGE) as usize];
    let mut at = data.offset as usize;
    for tag in &data.tags {
        let block = contents(*tag, block_bytes as usize);
        bytes[at..at + block.len()].copy_from_slice(&block);
        at += block.len();
    }
    if let Some(byte) = data.flipped_byte {
        bytes[(data.offset + byte) as usize] ^= 0x10;
    }
    bytes
}

/// The words of a list that begins `offset` bytes into the page at `base`, chained to the page behind
/// where it must be; what stands before it in the first page, too.
fn list_words(entries: &[u64], base: u64, offset: u32) -> Vec<u64> {
    let mut words = vec![u64::MAX; (offset / 8) as usize];
    let mut rest = entries;
    while !rest.is_empty() {
        let address = base + 8 * words.len() as u64;
        let segment = prp::list_segment(address, rest.len() as u32);
        let (now, later) = rest.split_at(segment.data_entries as usize);
        words.extend(now);
        if segment.chained {
            words.push(base + 8 * (words.len() as u64 + 1));
        }
        rest = later;
    }
    words
}
