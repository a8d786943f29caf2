//! What happens when a client shortens a file this process has mapped: the page is gone, an access to
//! it raises SIGBUS. The handler puts zeros under the access and marks the mapping; its clients are
//! dropped as soon as the access has returned.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Mappings that can be watched at a time, by all servers of the process.
pub(crate) const SLOTS: usize = 4096;

/// A mapping the handler knows: `start` is 0 when the slot is free.
struct Slot {
    start: AtomicUsize,
    bytes: AtomicUsize,
    lost: AtomicBool,
}

static WATCHED: [Slot; SLOTS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        lost: AtomicBool::new(false),
    }
}; SLOTS];

/// How many mappings have been lost so far: a cheap look tells whether there is anything to do.
static LOST: AtomicUsize = AtomicUsize::new(0);

static INSTALL: Once = Once::new();

/// A mapping under watch, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(usize);

/// Mappings lost since the process began.
#[inline]
pub(crate) fn lost_count() -> usize {
    LOST.load(Ordering::Relaxed)
}

impl Watch {
    /// Watches `bytes` bytes at `start`, the whole of a mapping.
    ///
    /// # Errors
    /// All slots are taken.
    pub(crate) fn new(start: usize, bytes: usize) -> io::Result<Self> {
        INSTALL.call_once(install);
        for (index, slot) in WATCHED.iter().enumerate() {
            slot_is_free(slot, start).then(|| {
                slot.lost.store(false, Ordering::Relaxed);
                slot.bytes.store(bytes, Ordering::Release);
            });
            if slot.start.load(Ordering::Relaxed) == start {
                return Ok(Self(index));
            }
        }
        Err(io::Error::other(format!(
            "{SLOTS} files of clients are mapped already"
        )))
    }

    /// The file got shorter, and what was mapped is zeros now.
    pub(crate) fn is_lost(&self) -> bool {
        WATCHED[self.0].lost.load(Ordering::Relaxed)
    }
}

/// Takes a slot if it is free. While `bytes` is still 0 the handler does not match it.
fn slot_is_free(slot: &Slot, start: usize) -> bool {
    slot.start
        .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

impl Drop for Watch {
    fn drop(&mut self) {
        let slot = &WATCHED[self.0];
        slot.bytes.store(0, Ordering::Release);
        slot.start.store(0, Ordering::Release);
    }
}

/// The watched mapping that holds an address.
fn find(address: usize) -> Option<&'static Slot> {
    WATCHED.iter().find(|slot| {
        let start = slot.start.load(Ordering::Acquire);
        start != 0 && address.wrapping_sub(start) < slot.bytes.load(Ordering::Acquire)
    })
}

/// Replaces a lost mapping by zeros; false when the address is none of ours. Makes one system call
/// and touches atomics alone, so that a signal handler may call it.
#[expect(unsafe_code, reason = "a mapping is replaced under the access to it")]
fn rescue(address: usize) -> bool {
    let Some(slot) = find(address) else {
        return false;
    };
    let start = slot.start.load(Ordering::Acquire);
    let bytes = slot.bytes.load(Ordering::Acquire);
    // SAFETY: the range is a mapping of this crate, which nobody holds references into: all access
    // goes through raw pointers, which stay valid.
    let replaced = unsafe {
        rustix::mm::mmap_anonymous(
            start as *mut std::ffi::c_void,
            bytes,
            rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
            rustix::mm::MapFlags::PRIVATE
                | rustix::mm::MapFlags::FIXED
                | rustix::mm::MapFlags::NORESERVE,
        )
    };
    if replaced.is_err() {
        return false;
    }
    slot.lost.store(true, Ordering::Relaxed);
    LOST.fetch_add(1, Ordering::Relaxed);
    true
}

/// The handler itself. An access that is none of a client's doing ends the process as it would have
/// without: the default is put back, and the access comes again.
#[expect(unsafe_code, reason = "a signal handler")]
extern "C" fn on_sigbus(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid structure to a handler with SA_SIGINFO, and for SIGBUS the
    // field is the address of the access.
    let address = unsafe { (*info).si_addr() } as usize;
    if !rescue(address) {
        // SAFETY: `signal` and `sigaction` are safe to call in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Takes SIGBUS over. The handler that was there is not called: that of Rust's runtime puts the
/// default back when an access is no stack overflow, and the second client to shorten a file ended
/// the server.
#[expect(unsafe_code, reason = "a signal handler")]
fn install() {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_sigbus;
    // SAFETY: all zeros is a valid `sigaction`; the handler has the signature of SA_SIGINFO, and makes
    // one system call and touches atomics alone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        // It fails for signals that do not exist only.
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
    }
}
