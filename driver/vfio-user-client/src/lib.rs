//! NVMe functions that another process serves over vfio-user: `vfio-user:DIRECTORY`.
//!
//! [`functions`] finds the sockets of a directory, [`open`] connects to one of them. What is served is
//! an NVMe controller behind BAR0: ours (`rdstore device serve`) or any other. DMA memory is shared by
//! descriptor, so that the server reaches it without a message; doorbells are written through mapped
//! memory where the server offers that, else by messages that nobody answers, in order; everything
//! else is a message and its reply.
//!
//! A thread of the connection's own takes what the server sends: replies, and its requests to read and
//! write memory that it did not map. It is also the first to see that the server is gone.

mod connect;
mod connected;
mod error;
mod function;
mod link;
mod mapped_memory;

pub use connect::{FunctionPlace, functions};
pub use error::VfioUserError;
pub use function::open;
