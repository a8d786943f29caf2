//! One request as a future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Inner, State};
use crate::buffer::DmaBuffer;
use crate::completion::Completion;
use crate::error::CommandKind;
use crate::transport::Transport;

pub(super) struct Unsent<T: Transport> {
    pub(super) command: CommandKind,
    pub(super) lba: u64,
    pub(super) blocks: u32,
    pub(super) buffer: Option<DmaBuffer<T::Dma>>,
    pub(super) new_buffer: Option<DmaBuffer<T::Dma>>,
}

enum Stage<T: Transport> {
    Unsent(Unsent<T>),
    Sent(usize),
    Over,
}

/// A request on its way; resolves to its completion, whose `tag` means nothing.
#[must_use = "a request is sent when its future is first polled"]
pub struct RequestFuture<T: Transport> {
    inner: Rc<RefCell<Inner<T>>>,
    stage: Stage<T>,
}

impl<T: Transport> RequestFuture<T> {
    pub(super) const fn new(inner: Rc<RefCell<Inner<T>>>, unsent: Unsent<T>) -> Self {
        Self {
            inner,
            stage: Stage::Unsent(unsent),
        }
    }
}

// Nothing is pinned structurally: the buffers are moved by value.
impl<T: Transport> Unpin for RequestFuture<T> {}

impl<T: Transport> Future for RequestFuture<T> {
    type Output = Completion<T::Dma>;

    /// # Panics
    /// When it is polled again after it has resolved.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut inner = this.inner.borrow_mut();
        match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Unsent(unsent) => {
                this.stage = match inner.send(unsent, context.waker()) {
                    Ok(index) => Stage::Sent(index),
                    Err(unsent) => Stage::Unsent(unsent),
                };
                Poll::Pending
            }
            Stage::Sent(index) => {
                match std::mem::replace(&mut inner.requests[index], State::Free) {
                    State::Ended(completion) => {
                        inner.free.push(index);
                        Poll::Ready(completion)
                    }
                    _ => {
                        inner.requests[index] = State::InFlight(context.waker().clone());
                        this.stage = Stage::Sent(index);
                        Poll::Pending
                    }
                }
            }
            Stage::Over => panic!("a request was polled after it had resolved"),
        }
    }
}

impl<T: Transport> Drop for RequestFuture<T> {
    fn drop(&mut self) {
        let Stage::Sent(index) = self.stage else {
            return;
        };
        let mut inner = self.inner.borrow_mut();
        match inner.requests[index] {
            State::InFlight(_) => inner.requests[index] = State::Dropped,
            _ => {
                inner.requests[index] = State::Free;
                inner.free.push(index);
            }
        }
    }
}
