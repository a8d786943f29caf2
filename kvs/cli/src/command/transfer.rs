//! `export` and `import`: all records as lines of JSON.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rdstore::{Cursor, Operation, ScanEntry};
use serde::{Deserialize, Serialize};

use crate::args::{ExportArgs, ImportArgs};
use crate::machine::MissingFile;
use crate::outcome::Outcome;
use crate::output::{from_hex, print_json, print_text, show_count, to_hex};
use crate::progress::Progress;
use crate::store::{open_to_read, open_to_write};

/// Records of one step of the scan.
const STEP: usize = 1024;
/// Longest line of an import: a record of 16 KiB in hexadecimal digits, and then some.
const MOST_LINE_BYTES: u64 = 1 << 20;

/// One line. Text where the bytes are UTF-8, hexadecimal digits where they are not.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<u64>,
}

/// Bytes as text or as digits.
fn split(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(to_hex(error.as_bytes()))),
    }
}

fn join(name: &str, text: Option<String>, digits: Option<String>) -> anyhow::Result<Vec<u8>> {
    match (text, digits) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(digits)) => from_hex(&digits).map_err(anyhow::Error::msg),
        _ => bail!("a record has either \"{name}\" or \"{name}_hex\""),
    }
}

impl From<ScanEntry> for Record {
    fn from(entry: ScanEntry) -> Self {
        let (key, key_hex) = split(entry.key);
        let (value, value_hex) = split(entry.value);
        Self {
            key,
            key_hex,
            value,
            value_hex,
            expires_unix_ms: entry.expires_unix_ms,
        }
    }
}

#[derive(Serialize)]
struct TransferJson {
    records: u64,
}

/// `rdstore export`
pub(super) fn export(args: &ExportArgs, json: bool) -> anyhow::Result<Outcome> {
    let (_machine, mut client) = open_to_read(&args.device)?;
    let to_stdout = args.file == Path::new("-");
    let output: Box<dyn Write> = if to_stdout {
        Box::new(io::stdout().lock())
    } else {
        let file = File::create(&args.file)
            .with_context(|| format!("creating {}", args.file.display()))?;
        Box::new(file)
    };
    let mut output = BufWriter::new(output);
    let mut progress = Progress::new("pages", client.info().home_pages);
    let mut records = 0;
    let mut cursor = Some(Cursor::START);
    while let Some(from) = cursor {
        let page = client.scan(from, STEP)?;
        progress.add(page.next.map_or(0, |next| next.page - from.page));
        for entry in page.entries {
            serde_json::to_writer(&mut output, &Record::from(entry))?;
            output.write_all(b"\n")?;
            records += 1;
        }
        cursor = page.next;
    }
    output
        .flush()
        .with_context(|| format!("writing {}", args.file.display()))?;
    drop((output, progress));
    if to_stdout {
        eprintln!("{} records", show_count(records));
    } else if json {
        print_json(&TransferJson { records })?;
    } else {
        print_text(&format!(
            "{} records written to {}\n",
            show_count(records),
            args.file.display()
        ))?;
    }
    Ok(Outcome::Done)
}

/// `rdstore import`
pub(super) fn import(args: &ImportArgs, json: bool) -> anyhow::Result<Outcome> {
    let from_stdin = args.file == Path::new("-");
    let (input, bytes): (Box<dyn BufRead>, u64) = if from_stdin {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let file =
            File::open(&args.file).with_context(|| format!("opening {}", args.file.display()))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        (Box::new(BufReader::new(file)), bytes)
    };
    let (_machine, mut client) =
        open_to_write(&args.device, MissingFile::Create, Some(&args.layout))?;
    let name = if from_stdin {
        "stdin".to_owned()
    } else {
        args.file.display().to_string()
    };
    let mut progress = Progress::new("bytes", bytes);
    let mut lines = Lines {
        input,
        number: 0,
        line: Vec::new(),
    };
    let mut records = 0;
    loop {
        let line = lines
            .next()
            .with_context(|| format!("{name}, line {}", lines.number))?;
        let Some(record) = line else { break };
        let place = || {
            format!(
                "{name}, line {} (the {} records before it are in)",
                lines.number, records
            )
        };
        let key = join("key", record.key, record.key_hex).with_context(place)?;
        let value = join("value", record.value, record.value_hex).with_context(place)?;
        client
            .execute(Operation::Put {
                key: &key,
                value: &value,
                expires_unix_ms: record.expires_unix_ms,
            })
            .with_context(place)?;
        records += 1;
        progress.add(lines.line.len() as u64);
    }
    drop(progress);
    if json {
        print_json(&TransferJson { records })?;
    } else {
        print_text(&format!("{} records stored\n", show_count(records)))?;
    }
    Ok(Outcome::Done)
}

/// The lines of an import, each bounded.
struct Lines {
    input: Box<dyn BufRead>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// The next record; `None` at the end.
    fn next(&mut self) -> anyhow::Result<Option<Record>> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut bounded = io::Read::take(&mut self.input, MOST_LINE_BYTES);
            if bounded.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            if self.line.len() as u64 == MOST_LINE_BYTES {
                bail!("a line of more than 1 MiB is no record");
            }
            if !self.line.trim_ascii().is_empty() {
                return serde_json::from_slice(&self.line).map(Some).context(
                    "not a record; a line is {\"key\":…,\"value\":…}, as export writes it",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_go_as_digits() {
        let record = Record::from(ScanEntry {
            key: b"k\n".to_vec(),
            value: vec![0xff, 0],
            version: rdstore::Version(1),
            expires_unix_ms: None,
        });
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(line, "{\"key\":\"k\\n\",\"value_hex\":\"ff00\"}");
        let back: Record = serde_json::from_str(&line).unwrap();
        assert_eq!(join("key", back.key, back.key_hex).unwrap(), b"k\n");
        assert_eq!(
            join("value", back.value, back.value_hex).unwrap(),
            [0xff, 0]
        );
    }

    #[test]
    fn lines_that_are_no_records_are_refused() {
        for (text, part) in [
            ("{\"key\":\"k\"", "not a record"),
            ("7", "not a record"),
            ("{\"key\":\"k\",\"velue\":\"v\"}", "not a record"),
        ] {
            let input = Box::new(io::Cursor::new(text.as_bytes()));
            let mut lines = Lines {
                input,
                number: 0,
                line: Vec::new(),
            };
            let error = lines
                .next()
                .err()
                .map(|error| format!("{error:#}"))
                .unwrap_or_default();
            assert!(error.contains(part), "{text}: {error}");
        }
        let both = join("key", Some("a".into()), Some("00".into())).unwrap_err();
        assert!(both.to_string().contains("either \"key\" or \"key_hex\""));
    }
}
