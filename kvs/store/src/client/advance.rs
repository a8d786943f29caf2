//! From one finished I/O of an operation to its next.

use std::ops::DerefMut;

use super::environment::Environment;
use super::slot::{Next, Slot, Which};
use super::step::{Ending, Step};
use crate::error::Error;
use crate::page::Content;
use crate::page::verify::{Unusable, verify_data};
use crate::page_store::PageStoreError;

/// How a Compare-and-Write ended.
#[derive(Debug)]
pub(super) enum Written {
    Done,
    Miscompare,
    /// Nothing was changed.
    Failed(PageStoreError),
    /// May have been applied.
    Unknown {
        reason: String,
        device_gone: bool,
    },
}

impl<B: DerefMut<Target = [u8]>> Slot<B> {
    /// The page of image `which` was read into it.
    #[inline]
    pub(super) fn on_read(&mut self, env: &mut Environment, which: Which) -> Next {
        let image = self.image(which);
        let page = image.page;
        let bytes = image
            .buffer
            .as_deref()
            .expect("the device gave the buffer back");
        let mut unusable_page = None;
        match verify_data(bytes, &env.context, page) {
            Ok(content) => image.blank = content == Content::Blank,
            Err(unusable) => unusable_page = Some(unusable),
        }
        if unusable_page.is_none() && self.request.is_update() {
            // Nothing is built on a page that is not in order.
            unusable_page = self.image(which).view().layout_fault().map(Unusable::Fault);
        }
        if let Some(unusable) = unusable_page {
            return self.on_unusable(env, which, unusable);
        }
        match self.step {
            Step::Home => self.on_home(env),
            Step::Guest { index } => self.on_guest(env, index),
            Step::Probe => self.on_probe(env),
            Step::FreezeRead => self.on_freeze_read(env),
            Step::Resolve => self.on_resolve(env),
            Step::UnlinkRead => self.on_unlink_read(env),
            Step::ReclaimRead => self.on_reclaim_read(env),
            Step::CleanRead => self.clean_entries(env),
            Step::CleanHome => self.on_clean_home(env),
            Step::ScanHome => self.on_scan_home(env),
            Step::ScanGuest { index } => self.on_scan_guest(env, index),
            Step::Commit
            | Step::Prepare
            | Step::Freeze
            | Step::Fence
            | Step::Unlink
            | Step::Reclaim
            | Step::CleanFix
            | Step::CleanApply => unreachable!("{:?} reads nothing", self.step),
        }
    }

    /// The page is not what the store wrote there.
    #[cold]
    pub(super) fn on_unusable(
        &mut self,
        env: &mut Environment,
        which: Which,
        unusable: Unusable,
    ) -> Next {
        let image = self.image(which);
        let page = image.page;
        // No step may take this image for one of the store's.
        image.page = u64::MAX;
        image.blank = true;
        // A page that only might have had room is passed by.
        match self.step {
            Step::Probe => {
                self.probe.chosen = false;
                return self.next_probe(env);
            }
            Step::CleanRead => return self.next_clean(env),
            Step::CleanHome => return self.clean_entries(env),
            _ => {}
        }
        let error = match unusable {
            Unusable::Fault(fault) => env.damaged(page, fault),
            Unusable::Newer(found) => Error::FormattedAnew {
                device: env.device.clone(),
                page,
                expected: env.context.generation,
                found,
            },
        };
        self.on_failed(env, error)
    }

    /// A read failed, or brought a page that cannot be used.
    pub(super) fn on_failed(&mut self, env: &mut Environment, error: Error) -> Next {
        let interrupted = matches!(
            error,
            Error::Device {
                source: PageStoreError::Interrupted { .. },
                ..
            }
        );
        match self.step {
            Step::Home | Step::Guest { .. } | Step::Probe | Step::FreezeRead if interrupted => {
                self.restart(env)
            }
            Step::Resolve if interrupted => self.resolve_again(env),
            Step::UnlinkRead | Step::ReclaimRead => self.abandon_clearing(),
            Step::Resolve => self.unknown(env, &format!("and then {error}")),
            _ => Next::Finish(Ending::Failed(error)),
        }
    }

    /// The Compare-and-Write of image `which` has ended. If it was done, the image is the new one.
    pub(super) fn on_written(
        &mut self,
        env: &mut Environment,
        which: Which,
        written: Written,
    ) -> Next {
        let page = self.image(which).page;
        let done = match written {
            Written::Done => true,
            Written::Miscompare => {
                env.statistics.miscompares += 1;
                false
            }
            Written::Failed(source) => {
                return match self.step {
                    Step::Unlink | Step::Reclaim => self.abandon_clearing(),
                    Step::Fence => self.unknown(env, &format!("and then {source}")),
                    _ => Next::Finish(Ending::Failed(Error::Device {
                        device: env.device.clone(),
                        page,
                        source,
                    })),
                };
            }
            Written::Unknown {
                reason,
                device_gone,
            } => {
                return self.on_unknown(env, page, reason, device_gone);
            }
        };
        match self.step {
            Step::Commit if done => self.on_committed(env),
            Step::Prepare if done => self.on_prepared(env),
            Step::Prepare => {
                // It was not written: look at the page again.
                self.leftovers.pop();
                self.attempts += 1;
                env.statistics.retries += 1;
                if self.attempts > env.attempts_limit {
                    return self.restart(env);
                }
                self.step = Step::Probe;
                self.probe.chosen = true;
                Next::Read(Which::Guest, page)
            }
            Step::Freeze if done => self.commit_plan(env),
            Step::Commit => {
                self.commit = None;
                self.restart(env)
            }
            Step::Freeze => self.restart(env),
            Step::Fence if done => self.on_fenced(env),
            Step::Fence => self.resolve_again(env),
            Step::Unlink => self.on_unlinked(env, done),
            Step::Reclaim => self.on_reclaimed(env, done),
            Step::CleanFix => self.on_clean_fixed(env, done),
            Step::CleanApply => self.on_clean_applied(env, done),
            _ => unreachable!("{:?} writes nothing", self.step),
        }
    }

    /// A Compare-and-Write may have been applied. Only a commit decides anything; everything else
    /// is found out by reading again, and harmless if it was applied or still is.
    fn on_unknown(
        &mut self,
        env: &mut Environment,
        page: u64,
        reason: String,
        device_gone: bool,
    ) -> Next {
        match self.step {
            Step::Commit | Step::Fence if device_gone => {
                if let Some(commit) = self.commit.as_mut().filter(|_| self.step == Step::Commit) {
                    commit.reason = reason;
                }
                self.unknown_for_good(env)
            }
            Step::Commit => self.resolve(reason),
            Step::Fence => self.resolve_again(env),
            Step::Unlink | Step::Reclaim => self.abandon_clearing(),
            _ if device_gone => Next::Finish(Ending::Failed(Error::Device {
                device: env.device.clone(),
                page,
                source: PageStoreError::DeviceGone { reason },
            })),
            _ => self.restart(env),
        }
    }
}
