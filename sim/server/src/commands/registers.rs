//! Reads and writes of regions.

use nvme_spec::msix::{BAR0_BYTES, PENDING_OFFSET, TABLE_OFFSET};
use rustix::io::Errno;
use vfio_user_wire::message::RegionAccess;
use vfio_user_wire::region;
use vfio_user_wire::{Message, payload, payload_with_tail};
use zerocopy::IntoBytes;

use super::{Desk, Failure};
use crate::config::CONFIG_BYTES;
use crate::engine::Request;
use crate::session::{Dropped, Pending, RegisterRead};

/// Where the MSI-X table is.
const TABLE: std::ops::Range<u64> = TABLE_OFFSET..PENDING_OFFSET;

impl Desk<'_> {
    /// Checks an access against its region's end.
    fn check(&self, access: &RegionAccess) -> Result<(), Errno> {
        let size = match access.region {
            region::BAR0 => BAR0_BYTES,
            region::CONFIG => CONFIG_BYTES,
            _ => return Err(Errno::INVAL),
        };
        let end = access.offset.checked_add(access.count.into());
        let fits = end.is_some_and(|end| end <= size);
        if fits && u64::from(access.count) <= self.session.max_transfer_bytes {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }

    pub(super) fn read_region(&mut self, message: &Message) -> Result<(), Failure> {
        let access: RegionAccess = payload(&message.payload)?;
        self.check(&access)?;
        let mut data = vec![0; access.count as usize];
        if access.region == region::CONFIG {
            self.function.config.read(access.offset, &mut data);
            let parts = [access.as_bytes(), &data];
            return Ok(self.session.reply(&message.header, &parts, &[])?);
        }
        self.session.pending = Some(Pending::Registers(RegisterRead {
            command: message.header,
            offset: access.offset,
            data,
            done: 0,
            tag: None,
        }));
        Ok(self.go_on_reading()?)
    }

    /// Answers a read of BAR0, or asks the endpoint for the next register of it.
    pub(crate) fn go_on_reading(&mut self) -> Result<(), Dropped> {
        let Some(Pending::Registers(read)) = &mut self.session.pending else {
            return Ok(());
        };
        while read.done < read.data.len() {
            if read.tag.is_some() {
                return Ok(());
            }
            let at = read.offset + read.done as u64;
            if !TABLE.contains(&at) {
                // One at a time, whoever asks: the one who waits is asked again.
                let Some(tag) = self.engine.take_register_tag() else {
                    return Ok(());
                };
                let (offset, bytes) = covering(at, read.data.len() - read.done);
                read.tag = Some(tag);
                self.engine.post(Request::Read {
                    function: self.function.id,
                    offset,
                    bytes,
                    tag,
                });
                return Ok(());
            }
            read.data[read.done] = self.function.table[(at - TABLE.start) as usize];
            read.done += 1;
        }
        let access = RegionAccess {
            offset: read.offset,
            region: region::BAR0,
            count: read.data.len() as u32,
        };
        let Some(Pending::Registers(read)) = self.session.pending.take() else {
            return Ok(());
        };
        let parts = [access.as_bytes(), &read.data];
        self.session.reply(&read.command, &parts, &[])?;
        self.execute_deferred()
    }

    /// The endpoint has answered; nothing there reads as all ones.
    pub(crate) fn take_register(&mut self, tag: u16, value: Option<u64>) -> Result<(), Dropped> {
        let Some(Pending::Registers(read)) = &mut self.session.pending else {
            return Ok(());
        };
        if read.tag != Some(tag) {
            return Ok(());
        }
        read.tag = None;
        let at = read.offset + read.done as u64;
        let (offset, bytes) = covering(at, read.data.len() - read.done);
        let value = value.unwrap_or(u64::MAX).to_le_bytes();
        let skipped = (at - offset) as usize;
        let wanted = &mut read.data[read.done..];
        let taken = wanted.len().min(bytes as usize - skipped);
        wanted[..taken].copy_from_slice(&value[skipped..skipped + taken]);
        read.done += taken;
        self.go_on_reading()
    }

    pub(super) fn write_region(&mut self, message: &Message) -> Result<(), Failure> {
        let (access, data): (RegionAccess, _) = payload_with_tail(&message.payload)?;
        self.check(&access)?;
        let data = data.get(..access.count as usize).ok_or(Errno::INVAL)?;
        if access.region == region::CONFIG {
            let resets = self.function.config.write(access.offset, data);
            self.function.apply(self.engine);
            if resets {
                self.reset(message.header, access.as_bytes().to_vec());
                return Ok(());
            }
        } else {
            self.write_bar0(access.offset, data);
        }
        Ok(self
            .session
            .reply(&message.header, &[access.as_bytes()], &[])?)
    }

    /// Writes BAR0; what falls on the MSI-X table is kept and no more: the endpoint's table follows
    /// the eventfds.
    fn write_bar0(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        let (first, last) = (TABLE.start.clamp(offset, end), TABLE.end.clamp(offset, end));
        let (low, rest) = data.split_at((first - offset) as usize);
        let (table, high) = rest.split_at((last - first) as usize);
        let function = self.function.id;
        self.engine.write_registers(function, offset, low);
        if !table.is_empty() {
            let start = (first - TABLE.start) as usize;
            self.function.table[start..start + table.len()].copy_from_slice(table);
        }
        self.engine.write_registers(function, last, high);
    }
}

/// The register that holds the byte at `at`, of which `bytes` more are wanted: offset and width. Eight
/// bytes where they are wanted and lie so, as a driver reads CAP; else four.
const fn covering(at: u64, bytes: usize) -> (u64, u32) {
    if at.is_multiple_of(8) && bytes >= 8 {
        (at, 8)
    } else {
        (at - at % 4, 4)
    }
}
