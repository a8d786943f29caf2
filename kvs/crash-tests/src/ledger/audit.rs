//! What needs the whole history, and what is found after a crash.

use std::ops::Bound::Excluded;

use super::{Key, Ledger, Miss, State};
use crate::witness::Action;

impl Ledger {
    /// Checks what could not be told while operations were under way: that each compare-and-swap
    /// replaced the version it expected, each add an absence, and that a key that was there was
    /// deleted by somebody before it was missed.
    pub fn audit(&mut self) {
        for (number, key) in &mut self.keys {
            let found = key.audit();
            let found = found
                .into_iter()
                .map(|what| format!("key {number}: {what}"));
            self.violations.extend(found);
        }
    }

    /// The crash is over: `observed` says what each key of `0..keys` has now. Whatever was under
    /// way has taken effect or never will; from here on, what is there is what is certain.
    pub fn restart(&mut self, keys: u32, mut observed: impl FnMut(u32) -> State) {
        self.audit();
        self.totals.unanswered += self.under_way.len() as u64;
        self.under_way.clear();
        for number in 0..keys {
            let state = observed(number);
            let key = self.keys.entry(number).or_default();
            match key.accept(state) {
                Ok(took_effect) => self.totals.took_effect += u64::from(took_effect),
                Err(what) => self.violations.push(format!("key {number}: {what}")),
            }
            key.begin_anew(state);
        }
    }
}

impl Key {
    /// May a delete have taken effect that nobody has acknowledged?
    fn open_delete(&self) -> bool {
        let pending = self.pending.values().map(|open| &open.begun);
        pending
            .chain(self.unknown.values())
            .any(|begun| begun.action == Action::Delete)
    }

    fn open_store(&self) -> bool {
        let pending = self.pending.values().map(|open| &open.begun);
        pending
            .chain(self.unknown.values())
            .any(|begun| begun.action.stores())
    }

    fn audit(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for miss in std::mem::take(&mut self.misses) {
            if !self.explains(miss) {
                wrong.push(format!(
                    "operation {:#x} missed it at version {}, but version {} was there when it \
                     began, and nobody deleted it",
                    miss.operation, miss.version, miss.floor.version
                ));
            }
        }
        for (version, change) in &self.changes {
            match change.action {
                Action::Swap { expected } => {
                    let between = (Excluded(expected), Excluded(*version));
                    if let Some((lost, other)) = self.changes.range(between).next() {
                        wrong.push(format!(
                            "operation {:#x} replaced version {expected} by {version}, and lost \
                             version {lost} of operation {:#x}",
                            change.operation, other.operation
                        ));
                    }
                }
                Action::Add => {
                    let before = self.changes.range(..version).next_back();
                    let there =
                        before.map_or(self.base.writer.is_some(), |(_, before)| before.stored);
                    if there && !self.open_delete() {
                        wrong.push(format!(
                            "operation {:#x} added version {version} to a key that was there",
                            change.operation
                        ));
                    }
                }
                Action::Delete => {
                    let before = self.changes.range(..version).next_back();
                    let there =
                        before.map_or(self.base.writer.is_some(), |(_, before)| before.stored);
                    if !there && !self.open_store() {
                        wrong.push(format!(
                            "operation {:#x} deleted (version {version}) a key that was not there",
                            change.operation
                        ));
                    }
                }
                Action::Get | Action::Put => {}
            }
        }
        wrong
    }

    fn explains(&self, miss: Miss) -> bool {
        let deleted = self
            .changes
            .range(miss.floor.version + 1..=miss.version.max(miss.floor.version + 1))
            .any(|(_, change)| !change.stored);
        deleted || self.open_delete()
    }

    /// Checks what is there after a crash; true when an unanswered operation has taken effect.
    fn accept(&mut self, state: State) -> Result<bool, String> {
        let floor = self.floor;
        let State { version, writer } = state;
        if version < floor.version {
            return Err(format!(
                "version {version} ({}) is there, but version {} ({}) was acknowledged: a lost update",
                named(writer),
                floor.version,
                named(floor.writer)
            ));
        }
        let Some(writer) = writer else {
            if floor.writer.is_some() && !self.open_delete() {
                return Err(format!(
                    "absent at version {version}, but {} was acknowledged as version {}, and \
                     nobody deletes it: a lost update",
                    named(floor.writer),
                    floor.version
                ));
            }
            return Ok(floor.writer.is_some());
        };
        if version == floor.version && floor.writer != Some(writer) {
            return Err(format!(
                "version {version} is of operation {writer:#x}, but was acknowledged as {}",
                named(floor.writer)
            ));
        }
        self.found(version, writer, None)?;
        if version == floor.version {
            return Ok(false);
        }
        if self.pending.contains_key(&writer) || self.unknown.contains_key(&writer) {
            return Ok(true);
        }
        Err(format!(
            "version {version} is of operation {writer:#x}, which was acknowledged with another version"
        ))
    }

    fn begin_anew(&mut self, state: State) {
        let length = state
            .writer
            .and_then(|writer| Some((writer, *self.lengths.get(&writer)?)));
        *self = Self {
            floor: state,
            base: state,
            lengths: length.into_iter().collect(),
            ..Self::default()
        };
        if let Some(writer) = state.writer {
            self.seen.insert(state.version, writer);
        }
    }
}

fn named(writer: Option<u64>) -> String {
    writer.map_or_else(
        || "absent".to_owned(),
        |writer| format!("operation {writer:#x}"),
    )
}
