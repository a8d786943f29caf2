//! The end of the power.

use crate::axi::Axi;
use crate::model::Model;
use crate::schedule::Engine;

impl Model {
    /// The power goes: of each AXI write under way, the beats so far are in the medium.
    pub(crate) fn crash(&mut self) {
        let axi = std::mem::replace(&mut self.axi, Axi::new(self.geometry.beat_bytes));
        for burst in axi.writes {
            let beats = self.now.saturating_sub(burst.start);
            let landed = beats.saturating_mul(self.geometry.beat_bytes.into());
            let data = &self.buffers[burst.offset as usize..][..burst.length_bytes as usize];
            if landed >= u64::from(burst.length_bytes) {
                self.medium.write_atomic(burst.medium_offset, data);
            } else if landed > 0 {
                self.medium
                    .write_interrupted(burst.medium_offset, data, landed as usize);
            }
        }
        self.dead = true;
        self.schedule.clear();
        for answer in &mut self.answers {
            answer.2 = None;
        }
        if let Some((at, ..)) = self.answers.front() {
            self.schedule.set(Engine::RegisterReads, *at);
        }
    }
}
