//! The endpoint's outstanding reads, and the completion buffer they have a claim on.

use crate::endpoint::FunctionId;
use crate::options::TAGS;

/// Names one use of a tag, so that what belongs to an earlier one is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TagUse {
    pub(crate) tag: u8,
    generation: u32,
}

/// A read that has not ended.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    function: FunctionId,
    /// Data and completions that have not been handed over.
    bytes: u32,
    headers: u32,
}

/// All tags.
pub(crate) struct Tags {
    uses: [(u32, Option<Outstanding>); TAGS],
    bytes: u32,
    headers: u32,
    per_function: Vec<u32>,
}

impl Tags {
    pub(crate) fn new(functions: usize) -> Self {
        Self {
            uses: [(0, None); TAGS],
            bytes: 0,
            headers: 0,
            per_function: vec![0; functions],
        }
    }

    /// Starts a read; `None` when there is no such tag or it is in use.
    pub(crate) fn start(
        &mut self,
        tag: u8,
        function: FunctionId,
        bytes: u32,
        headers: u32,
    ) -> Option<TagUse> {
        let (generation, outstanding) = self.uses.get_mut(usize::from(tag))?;
        if outstanding.is_some() {
            return None;
        }
        *generation = generation.wrapping_add(1);
        *outstanding = Some(Outstanding {
            function,
            bytes,
            headers,
        });
        self.bytes += bytes;
        self.headers += headers;
        self.per_function[function.index()] += 1;
        Some(TagUse {
            tag,
            generation: *generation,
        })
    }

    /// Data bytes and completion headers that may arrive.
    pub(crate) fn claimed(&self) -> (u32, u32) {
        (self.bytes, self.headers)
    }

    /// Reads of a function that have not ended.
    pub(crate) fn outstanding(&self, function: FunctionId) -> u32 {
        self.per_function[function.index()]
    }

    /// Does this use of the tag still last?
    pub(crate) fn lasts(&self, tag_use: TagUse) -> bool {
        let (generation, outstanding) = &self.uses[usize::from(tag_use.tag)];
        *generation == tag_use.generation && outstanding.is_some()
    }

    /// Whose read it is; the PF's once it has ended.
    pub(crate) fn function(&self, tag_use: TagUse) -> FunctionId {
        let (_, outstanding) = &self.uses[usize::from(tag_use.tag)];
        outstanding.map_or(FunctionId::PF, |outstanding| outstanding.function)
    }

    /// Some completions of a read were handed over; `last` ends it.
    pub(crate) fn hand_over(&mut self, tag_use: TagUse, bytes: u32, headers: u32, last: bool) {
        let (_, slot) = &mut self.uses[usize::from(tag_use.tag)];
        let Some(outstanding) = slot else { return };
        let (bytes, headers) = if last {
            (outstanding.bytes, outstanding.headers)
        } else {
            (
                bytes.min(outstanding.bytes),
                headers.min(outstanding.headers),
            )
        };
        outstanding.bytes -= bytes;
        outstanding.headers -= headers;
        self.bytes -= bytes;
        self.headers -= headers;
        if last {
            self.per_function[outstanding.function.index()] -= 1;
            *slot = None;
        }
    }

    /// Gives every read of a function a new use, so that what was on its way for it is dropped.
    pub(crate) fn renew(&mut self, function: FunctionId) -> Vec<TagUse> {
        let mut renewed = vec![];
        for (tag, (generation, outstanding)) in (0..).zip(&mut self.uses) {
            if outstanding.is_some_and(|outstanding| outstanding.function == function) {
                *generation = generation.wrapping_add(1);
                renewed.push(TagUse {
                    tag,
                    generation: *generation,
                });
            }
        }
        renewed
    }

    /// Forgets every read.
    pub(crate) fn clear(&mut self) {
        for (_, outstanding) in &mut self.uses {
            *outstanding = None;
        }
        self.bytes = 0;
        self.headers = 0;
        self.per_function.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_earlier_use_is_told_apart() {
        let mut tags = Tags::new(2);
        let first = tags.start(5, FunctionId(1), 512, 2).expect("free");
        assert_eq!(tags.start(5, FunctionId(0), 64, 1), None);
        assert_eq!(tags.claimed(), (512, 2));
        tags.hand_over(first, 256, 1, false);
        assert_eq!(tags.claimed(), (256, 1));
        assert_eq!(tags.outstanding(FunctionId(1)), 1);
        tags.hand_over(first, 256, 1, true);
        assert_eq!(
            (tags.claimed(), tags.outstanding(FunctionId(1))),
            ((0, 0), 0)
        );
        let second = tags.start(5, FunctionId(1), 64, 1).expect("free again");
        assert!(!tags.lasts(first) && tags.lasts(second));
        assert_eq!(tags.renew(FunctionId(0)), []);
        let renewed = tags.renew(FunctionId(1));
        assert!(!tags.lasts(second) && tags.lasts(renewed[0]));
        assert_eq!(tags.start(64, FunctionId(0), 64, 1), None);
        tags.clear();
        assert!(!tags.lasts(renewed[0]));
        assert_eq!(tags.claimed(), (0, 0));
    }
}
