//! `scan`: lists keys in the store's own order.

use std::io::{self, BufWriter, Write};

use anyhow::bail;
use rdstore::{Cursor, ScanEntry};
use serde::Serialize;

use crate::args::ScanArgs;
use crate::outcome::Outcome;
use crate::output::{print_json, show_bytes, to_hex};
use crate::store::open_to_read;

/// Entries of one step: enough to keep the device busy, little enough to hold.
const STEP: usize = 1024;

/// A cursor on the command line: `PAGE` or `PAGE-HASH`, the hash in hexadecimal digits.
fn parse_cursor(text: &str) -> anyhow::Result<Cursor> {
    let (page, hash) = text.split_once('-').unwrap_or((text, "0"));
    match (page.parse(), u64::from_str_radix(hash, 16)) {
        (Ok(page), Ok(hash)) => Ok(Cursor { page, hash }),
        _ => bail!("'{text}' is not a cursor; give the one that an earlier scan printed"),
    }
}

fn show_cursor(cursor: Cursor) -> String {
    format!("{}-{:016x}", cursor.page, cursor.hash)
}

#[derive(Serialize)]
struct ScanEntryJson {
    key: Option<String>,
    key_hex: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<u64>,
}

impl ScanEntryJson {
    fn new(entry: &ScanEntry, values: bool) -> Self {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Self {
            key: text(&entry.key),
            key_hex: to_hex(&entry.key),
            version: entry.version.0,
            value: values.then(|| text(&entry.value)),
            value_hex: values.then(|| to_hex(&entry.value)),
            expires_unix_ms: entry.expires_unix_ms,
        }
    }
}

#[derive(Serialize)]
struct ScanJson {
    entries: Vec<ScanEntryJson>,
    /// Where to go on; null at the end of the store.
    next: Option<String>,
}

/// `rdstore scan`
pub(super) fn run(args: &ScanArgs, json: bool) -> anyhow::Result<Outcome> {
    let mut cursor = Some(
        args.cursor
            .as_deref()
            .map_or(Ok(Cursor::START), parse_cursor)?,
    );
    let (_machine, mut client) = open_to_read(&args.device)?;
    let mut remaining = args.limit.unwrap_or(u64::MAX);
    let mut entries = Vec::new();
    let mut stdout = BufWriter::new(io::stdout().lock());
    let show = |bytes: &[u8]| {
        if args.hex {
            to_hex(bytes)
        } else {
            show_bytes(bytes)
        }
    };
    while let (Some(from), true) = (cursor, remaining > 0) {
        let limit = remaining.min(STEP as u64) as usize;
        let page = client.scan(from, limit)?;
        remaining = remaining.saturating_sub(page.entries.len() as u64);
        cursor = page.next;
        for entry in &page.entries {
            if json {
                entries.push(ScanEntryJson::new(entry, args.values));
            } else if args.values {
                writeln!(stdout, "{}\t{}", show(&entry.key), show(&entry.value))?;
            } else {
                writeln!(stdout, "{}", show(&entry.key))?;
            }
        }
    }
    stdout.flush()?;
    drop(stdout);
    if json {
        print_json(&ScanJson {
            entries,
            next: cursor.map(show_cursor),
        })?;
    } else if let Some(next) = cursor {
        eprintln!("there is more: go on with --cursor {}", show_cursor(next));
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_go_both_ways() {
        let cursor = Cursor {
            page: 4711,
            hash: 0xabc,
        };
        assert_eq!(parse_cursor(&show_cursor(cursor)).unwrap(), cursor);
        assert_eq!(parse_cursor("7").unwrap(), Cursor { page: 7, hash: 0 });
        assert!(
            parse_cursor("x")
                .unwrap_err()
                .to_string()
                .contains("'x' is not a cursor")
        );
    }
}
