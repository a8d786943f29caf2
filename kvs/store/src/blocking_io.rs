//! One page after another, waiting for each: for opening, formatting and checking.

use crate::error::Error;
use crate::page_store::{PageCompletion, PageOutcome, PageStore, PageStoreError};

/// Waits on a page store, for callers that have nothing else to do. Nothing else may be in flight.
pub(crate) struct BlockingIo<'a, P: PageStore> {
    store: &'a mut P,
    completions: Vec<PageCompletion<P::Buffer>>,
}

impl<'a, P: PageStore> BlockingIo<'a, P> {
    pub(crate) fn new(store: &'a mut P) -> Self {
        Self {
            store,
            completions: Vec::new(),
        }
    }

    pub(crate) fn store(&self) -> &P {
        self.store
    }

    pub(crate) fn device(&self) -> String {
        self.store.name().to_owned()
    }

    /// The error of a failed command on the page of `bytes` bytes at byte `offset`.
    fn device_error(&self, offset: u64, bytes: usize, source: PageStoreError) -> Error {
        Error::Device {
            device: self.device(),
            page: offset / bytes as u64,
            source,
        }
    }

    /// A buffer, waiting for one if need be.
    pub(crate) fn buffer(&mut self, bytes: usize) -> Result<P::Buffer, Error> {
        let held = |device| Error::Device {
            device,
            page: 0,
            source: PageStoreError::Failed {
                reason: format!("no buffer of {bytes} bytes is to be had"),
            },
        };
        self.store
            .buffer(bytes)
            .ok_or_else(|| held(self.store.name().to_owned()))
    }

    fn block(&self, offset: u64) -> u64 {
        offset / u64::from(self.store.geometry().block_bytes)
    }

    fn complete(&mut self) -> PageCompletion<P::Buffer> {
        loop {
            if let Some(completion) = self.completions.pop() {
                return completion;
            }
            if self.store.poll(&mut self.completions) == 0 {
                self.store.wait(u64::MAX);
            }
        }
    }

    /// Reads the page at byte `offset`.
    pub(crate) fn read(&mut self, offset: u64, buffer: P::Buffer) -> Result<P::Buffer, Error> {
        let bytes = buffer.len();
        let block = self.block(offset);
        let mut next = Some(buffer);
        while let Some(buffer) = next.take() {
            if let Err(full) = self.store.submit_read(block, buffer, 0) {
                self.store.wait(u64::MAX);
                next = Some(full.buffer);
            }
        }
        let completion = self.complete();
        match completion.result {
            Ok(_) => Ok(completion.buffer),
            Err(source) => Err(self.device_error(offset, bytes, source)),
        }
    }

    /// Compare-and-Write of the page at byte `offset`; gives both buffers back, and whether it took.
    pub(crate) fn compare_and_write(
        &mut self,
        offset: u64,
        old: P::Buffer,
        new: P::Buffer,
    ) -> Result<(bool, P::Buffer, P::Buffer), Error> {
        let bytes = old.len();
        let block = self.block(offset);
        let mut next = Some((old, new));
        while let Some((old, new)) = next.take() {
            if let Err(full) = self.store.submit_compare_and_write(block, old, new, 0) {
                self.store.wait(u64::MAX);
                next = full.new_buffer.map(|new| (full.buffer, new));
            }
        }
        let completion = self.complete();
        let taken = match completion.result {
            Ok(outcome) => outcome == PageOutcome::Done,
            Err(source) => return Err(self.device_error(offset, bytes, source)),
        };
        let new = match completion.new_buffer {
            Some(new) => new,
            None => self.buffer(bytes)?,
        };
        Ok((taken, completion.buffer, new))
    }

    /// Reads `count` pages of `bytes` bytes from page `first` on, with many reads in flight, and
    /// shows each to `visit`, in any order. Stops at the first error.
    pub(crate) fn sweep(
        &mut self,
        first: u64,
        count: u64,
        bytes: usize,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const IN_FLIGHT: usize = 32;
        let mut free = Vec::new();
        let mut next = first;
        let mut in_flight = 0;
        let mut failed = None;
        loop {
            while failed.is_none() && next < first + count && in_flight < IN_FLIGHT {
                let Some(buffer) = free.pop().or_else(|| self.store.buffer(bytes)) else {
                    break;
                };
                let block = self.block(next * bytes as u64);
                if let Err(full) = self.store.submit_read(block, buffer, next) {
                    free.push(full.buffer);
                    break;
                }
                next += 1;
                in_flight += 1;
            }
            if in_flight == 0 {
                return match failed {
                    Some(error) => Err(error),
                    None if next < first + count => {
                        Err(self.buffer(bytes).err().unwrap_or(Error::Busy {
                            in_flight: self.store.in_flight(),
                        }))
                    }
                    None => Ok(()),
                };
            }
            let completion = self.complete();
            in_flight -= 1;
            let outcome = match completion.result {
                Ok(_) if failed.is_none() => visit(completion.tag, &completion.buffer),
                Ok(_) => Ok(()),
                Err(source) => Err(self.device_error(completion.tag * bytes as u64, bytes, source)),
            };
            failed = failed.or(outcome.err());
            free.push(completion.buffer);
        }
    }
}
