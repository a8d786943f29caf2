//! Is what was counted last still true?

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::{FOLDER, MERGED};
use crate::step::root;

/// What the counts hang on, folders and endings: the Verilog, the tests, and the harness.
const SOURCES: [(&str, &[&str]); 4] = [
    ("rtl", &["v", "vh"]),
    ("sim/conformance/src", &["rs"]),
    ("sim/twin/src", &["rs"]),
    ("sim/verilated", &["rs", "cpp", "h"]),
];

/// Nothing has changed since: no source is younger than the counts.
pub(crate) fn is_fresh() -> Result<bool> {
    let Ok(counted) = fs::metadata(root().join(FOLDER).join(MERGED)) else {
        return Ok(false);
    };
    let counted = counted.modified()?;
    for (folder, endings) in SOURCES {
        if youngest(&root().join(folder), endings)? > Some(counted) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When the last of a folder's sources was changed.
fn youngest(folder: &Path, endings: &[&str]) -> Result<Option<SystemTime>> {
    let mut youngest = None;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_source = path
            .extension()
            .is_some_and(|found| endings.iter().any(|ending| found == *ending));
        let changed = if path.is_dir() {
            self::youngest(&path, endings)?
        } else if is_source {
            Some(fs::metadata(&path)?.modified()?)
        } else {
            None
        };
        youngest = youngest.max(changed);
    }
    Ok(youngest)
}
