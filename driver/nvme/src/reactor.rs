//! The queue pair as async functions, for any executor or none.

mod request;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::buffer::DmaBuffer;
use crate::completion::{Completion, QueueFull};
use crate::error::CommandKind;
use crate::queue_pair::QueuePair;
use crate::transport::Transport;

pub use request::RequestFuture;
use request::Unsent;

/// How long [`Reactor::block_on`] gives way at a time to a future that waits for something else.
const FOREIGN_WAIT_NS: u64 = 1_000_000;

/// Runs one queue pair for the futures of one thread. Clones are handles on the same reactor.
///
/// A request is sent when its future is first polled and there is room. From then on it belongs to
/// the reactor: dropping the future neither cancels the command nor frees the buffer, which goes
/// back to the pool when the command has ended.
pub struct Reactor<T: Transport> {
    inner: Rc<RefCell<Inner<T>>>,
}

struct Inner<T: Transport> {
    queue_pair: QueuePair<T>,
    /// Index: the tag under which the request was submitted.
    requests: Vec<State<T>>,
    free: Vec<usize>,
    waiting_for_room: VecDeque<Waker>,
    ended: Vec<Completion<T::Dma>>,
}

enum State<T: Transport> {
    Free,
    InFlight(Waker),
    Ended(Completion<T::Dma>),
    /// In flight, and nobody is interested any more.
    Dropped,
}

impl<T: Transport> Clone for Reactor<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Rc::clone(&self.inner),
        }
    }
}

impl<T: Transport> Reactor<T> {
    /// A reactor on this queue pair. What is in flight on it already is waited for and dropped.
    pub fn new(mut queue_pair: QueuePair<T>) -> Self {
        while queue_pair.in_flight() > 0 {
            if queue_pair.poll_with(drop) == 0 {
                queue_pair.wait(u64::MAX);
            }
        }
        Self {
            inner: Rc::new(RefCell::new(Inner {
                queue_pair,
                requests: Vec::new(),
                free: Vec::new(),
                waiting_for_room: VecDeque::new(),
                ended: Vec::new(),
            })),
        }
    }

    /// As [`QueuePair::buffer`].
    pub fn buffer(&self, bytes: usize) -> Option<DmaBuffer<T::Dma>> {
        self.inner.borrow_mut().queue_pair.buffer(bytes)
    }

    /// Requests in flight, those of dropped futures included.
    pub fn in_flight(&self) -> usize {
        self.inner.borrow().queue_pair.in_flight()
    }

    /// As [`QueuePair::submit_read`].
    pub fn read(&self, lba: u64, blocks: u32, buffer: DmaBuffer<T::Dma>) -> RequestFuture<T> {
        self.request(CommandKind::Read, lba, blocks, Some(buffer), None)
    }

    /// As [`QueuePair::submit_write`].
    pub fn write(&self, lba: u64, blocks: u32, buffer: DmaBuffer<T::Dma>) -> RequestFuture<T> {
        self.request(CommandKind::Write, lba, blocks, Some(buffer), None)
    }

    /// As [`QueuePair::submit_compare`].
    pub fn compare(&self, lba: u64, blocks: u32, buffer: DmaBuffer<T::Dma>) -> RequestFuture<T> {
        self.request(CommandKind::Compare, lba, blocks, Some(buffer), None)
    }

    /// As [`QueuePair::submit_flush`].
    pub fn flush(&self) -> RequestFuture<T> {
        self.request(CommandKind::Flush, 0, 0, None, None)
    }

    /// As [`QueuePair::submit_compare_and_write`].
    pub fn compare_and_write(
        &self,
        lba: u64,
        blocks: u32,
        old: DmaBuffer<T::Dma>,
        new: DmaBuffer<T::Dma>,
    ) -> RequestFuture<T> {
        self.request(
            CommandKind::CompareAndWrite,
            lba,
            blocks,
            Some(old),
            Some(new),
        )
    }

    fn request(
        &self,
        command: CommandKind,
        lba: u64,
        blocks: u32,
        buffer: Option<DmaBuffer<T::Dma>>,
        new_buffer: Option<DmaBuffer<T::Dma>>,
    ) -> RequestFuture<T> {
        let unsent = Unsent {
            command,
            lba,
            blocks,
            buffer,
            new_buffer,
        };
        RequestFuture::new(Rc::clone(&self.inner), unsent)
    }

    /// Sends what was posted and wakes the futures of what has ended; gives back how many ended.
    /// For those who have an executor of their own.
    pub fn turn(&self) -> usize {
        self.inner.borrow_mut().turn()
    }

    /// Gives way until something may have ended; see [`QueuePair::wait`].
    pub fn wait(&self, deadline_ns: u64) {
        self.inner.borrow_mut().queue_pair.wait(deadline_ns);
    }

    /// Runs a future to its end on this thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if woken.0.swap(false, Ordering::Acquire)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return output;
            }
            if woken.0.load(Ordering::Acquire) || self.turn() > 0 {
                continue;
            }
            let mut inner = self.inner.borrow_mut();
            let deadline_ns = if inner.queue_pair.in_flight() == 0 {
                inner.queue_pair.now_ns().saturating_add(FOREIGN_WAIT_NS)
            } else {
                u64::MAX
            };
            inner.queue_pair.wait(deadline_ns);
            // A future that waits for something else than this reactor gets its turn, too.
            if inner.queue_pair.in_flight() == 0 {
                woken.0.store(true, Ordering::Release);
            }
        }
    }

    /// Waits until nothing is in flight, so that the requests of dropped futures have ended.
    pub fn drain(&self) {
        while self.in_flight() > 0 {
            if self.turn() == 0 {
                self.wait(u64::MAX);
            }
        }
    }
}

impl<T: Transport> Inner<T> {
    fn turn(&mut self) -> usize {
        let mut ended = std::mem::take(&mut self.ended);
        let count = self.queue_pair.poll(&mut ended);
        for completion in ended.drain(..) {
            let index = completion.tag as usize;
            match std::mem::replace(&mut self.requests[index], State::Ended(completion)) {
                State::InFlight(waker) => waker.wake(),
                _ => {
                    self.requests[index] = State::Free;
                    self.free.push(index);
                }
            }
        }
        self.ended = ended;
        for waker in self.waiting_for_room.drain(..) {
            waker.wake();
        }
        count
    }

    /// Submits a request under a free tag, or gives it back when the queue is full.
    fn send(&mut self, unsent: Unsent<T>, waker: &Waker) -> Result<usize, Unsent<T>> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.requests.push(State::Free);
            self.requests.len() - 1
        });
        let tag = index as u64;
        let Unsent {
            command,
            lba,
            blocks,
            buffer,
            new_buffer,
        } = unsent;
        let queue_pair = &mut self.queue_pair;
        let submitted = match (command, buffer, new_buffer) {
            (CommandKind::Read, Some(buffer), _) => {
                queue_pair.submit_read(lba, blocks, buffer, tag)
            }
            (CommandKind::Write, Some(buffer), _) => {
                queue_pair.submit_write(lba, blocks, buffer, tag)
            }
            (CommandKind::Compare, Some(buffer), _) => {
                queue_pair.submit_compare(lba, blocks, buffer, tag)
            }
            (CommandKind::CompareAndWrite, Some(old), Some(new)) => {
                queue_pair.submit_compare_and_write(lba, blocks, old, new, tag)
            }
            _ => queue_pair.submit_flush(tag),
        };
        match submitted {
            Ok(()) => {
                self.requests[index] = State::InFlight(waker.clone());
                Ok(index)
            }
            Err(QueueFull { buffer, new_buffer }) => {
                self.free.push(index);
                self.waiting_for_room.push_back(waker.clone());
                Err(Unsent {
                    command,
                    lba,
                    blocks,
                    buffer,
                    new_buffer,
                })
            }
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
