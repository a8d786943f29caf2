//! The client's memory: ranges come and go, and the client answers for those it keeps to itself.

use pcie_host::endpoint::ReadStatus;
use vfio_user_wire::message::{DmaMap, DmaUnmap};
use vfio_user_wire::{Message, payload};
use zerocopy::IntoBytes;

use super::{Desk, Failure};
use crate::host::FunctionSide;
use crate::session::{Dropped, Pending};

impl Desk<'_> {
    fn side(&mut self) -> &mut FunctionSide {
        &mut self.engine.host.functions[self.function.id.index()]
    }

    pub(super) fn map_memory(&mut self, message: &Message) -> Result<(), Failure> {
        let request: DmaMap = payload(&message.payload)?;
        let side = &mut self.engine.host.functions[self.function.id.index()];
        side.ranges.map(&request, &message.fds, self.files)?;
        Ok(self.session.reply(&message.header, &[], &[])?)
    }

    pub(super) fn unmap_memory(&mut self, message: Message) -> Result<(), Failure> {
        let request: DmaUnmap = payload(&message.payload)?;
        match self.side().ranges.unmap_span(&request)? {
            None => Ok(self
                .session
                .reply(&message.header, &[request.as_bytes()], &[])?),
            Some(span) => {
                self.session.pending = Some(Pending::Unmap(message, span));
                Ok(self.finish_unmap()?)
            }
        }
    }

    /// Takes the ranges away, if nothing is under way to them any more.
    pub(crate) fn finish_unmap(&mut self) -> Result<(), Dropped> {
        let Some(Pending::Unmap(_, span)) = self.session.pending else {
            return Ok(());
        };
        if self.side().remote.touches(span) {
            return Ok(());
        }
        self.side().ranges.remove(span);
        let Some(Pending::Unmap(message, _)) = self.session.pending.take() else {
            return Ok(());
        };
        // The reply is the entry of the request.
        let entry = &message.payload[..size_of::<DmaUnmap>()];
        self.session.reply(&message.header, &[entry], &[])?;
        self.execute_deferred()
    }

    /// The client answers a read or write of its memory.
    pub(super) fn take_answer(&mut self, message: &Message) -> Result<(), Dropped> {
        let now = self.engine.now();
        let function = self.function.id;
        let host = &mut self.engine.host;
        let answer = host.functions[function.index()].remote.answer(message);
        match answer {
            Ok(None) => {}
            Ok(Some(answer)) => {
                let arrivals = &mut host.arrivals;
                match answer.data {
                    Some(data) => {
                        if let Some(into) = arrivals.data_mut(answer.tag_use, data.len()) {
                            into.copy_from_slice(data);
                            let bytes = data.len() as u32;
                            arrivals.send_data(now, answer.tag_use, answer.address, bytes);
                        }
                    }
                    None => {
                        let status = ReadStatus::UnsupportedRequest;
                        arrivals.send_error(now, answer.tag_use, status);
                    }
                }
            }
            Err(_) => {
                let reason = "its answer to a DMA_READ is not of the length that was asked for";
                return Err(Dropped(reason.to_owned()));
            }
        }
        host.release(now, function);
        self.send_outbox()?;
        self.finish_unmap()
    }

    /// Sends what the endpoint wants of the client's memory.
    pub(crate) fn send_outbox(&mut self) -> Result<(), Dropped> {
        while let Some(outgoing) = self.side().remote.outbox.pop_front() {
            let parts = outgoing.parts();
            self.session
                .connection
                .try_send(outgoing.header, &parts, &[])?;
        }
        Ok(())
    }
}
