//! `put`, `get`, `del`: one key.

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use rdstore::{Operation, Outcome as Found, Version};
use serde::Serialize;

use crate::args::{DelArgs, GetArgs, KeyArgs, PutArgs};
use crate::machine::MissingFile;
use crate::outcome::Outcome;
use crate::output::{from_hex, print_json, print_text, show_bytes, to_hex};
use crate::store::{open_to_read, open_to_write, unix_ms};

/// Most bytes of a key.
const MOST_KEY_BYTES: usize = 255;

/// The bytes of a key on the command line.
fn key_bytes(args: &KeyArgs) -> anyhow::Result<Vec<u8>> {
    let key = if args.hex {
        from_hex(&args.key)
            .map_err(anyhow::Error::msg)
            .context("--hex")?
    } else {
        args.key.clone().into_bytes()
    };
    if key.is_empty() || key.len() > MOST_KEY_BYTES {
        bail!(
            "a key has 1 to {MOST_KEY_BYTES} bytes, this one has {}",
            key.len()
        );
    }
    Ok(key)
}

/// Bytes in JSON: text where they are text, hexadecimal digits always.
#[derive(Serialize)]
struct EntryJson<'a> {
    key: Option<&'a str>,
    key_hex: String,
    found: bool,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_unix_ms: Option<u64>,
}

/// `rdstore get`
pub(super) fn get(args: &GetArgs, json: bool) -> anyhow::Result<Outcome> {
    let key = key_bytes(&args.key)?;
    let (_machine, mut client) = open_to_read(&args.device)?;
    let found = client.get(&key)?;
    let key_text = std::str::from_utf8(&key).ok();
    let (version, value, expires_unix_ms) = match &found {
        Found::Found {
            version,
            value,
            expires_unix_ms,
        } => (*version, Some(value), *expires_unix_ms),
        other => (other.version(), None, None),
    };
    if json {
        print_json(&EntryJson {
            key: key_text,
            key_hex: to_hex(&key),
            found: value.is_some(),
            version: version.0,
            value: value.map(|value| std::str::from_utf8(value).ok()),
            value_hex: value.map(|value| to_hex(value)),
            expires_unix_ms,
        })?;
    }
    let Some(value) = value else {
        eprintln!("key '{}' is not there", show_bytes(&key));
        return Ok(Outcome::Negative);
    };
    if !json {
        let mut stdout = io::stdout().lock();
        stdout.write_all(value)?;
        if stdout.is_terminal() {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    key: Option<&'a str>,
    key_hex: String,
    /// What happened: stored, deleted, exists, mismatch, missing.
    outcome: &'static str,
    version: u64,
}

/// Says how a change ended, and gives the exit code.
fn report(key: &[u8], outcome: &Found, json: bool) -> anyhow::Result<Outcome> {
    let (word, done) = match outcome {
        Found::Stored { .. } => ("stored", true),
        Found::Deleted { .. } => ("deleted", true),
        Found::Exists { .. } => ("exists", false),
        Found::Mismatch { .. } => ("mismatch", false),
        Found::Missing { .. } => ("missing", false),
        Found::Found { .. } | Found::Scanned(_) => bail!("the store answered something else"),
    };
    let version = outcome.version();
    if json {
        print_json(&ChangeJson {
            key: std::str::from_utf8(key).ok(),
            key_hex: to_hex(key),
            outcome: word,
            version: version.0,
        })?;
    }
    let key = show_bytes(key);
    match outcome {
        Found::Exists { .. } => {
            eprintln!("key '{key}' is there already, version {version}; nothing was changed");
        }
        Found::Mismatch { .. } => {
            eprintln!("key '{key}' has version {version}; nothing was changed");
        }
        Found::Missing { .. } => eprintln!("key '{key}' is not there; nothing was changed"),
        _ if !json => print_text(&format!("{word} '{key}', version {version}\n"))?,
        _ => {}
    }
    Ok(if done {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}

/// `rdstore put`
pub(super) fn put(args: &PutArgs, json: bool) -> anyhow::Result<Outcome> {
    let key = key_bytes(&args.key)?;
    let value = if args.value == "-" {
        let mut value = Vec::new();
        // A page holds 16 KiB at most: no need to swallow a terabyte to say that it is too large.
        let most = 1 << 20;
        io::stdin()
            .lock()
            .take(most + 1)
            .read_to_end(&mut value)
            .context("reading stdin")?;
        if value.len() as u64 > most {
            bail!("the value from stdin has more than 1 MiB; a page takes less than 16 KiB");
        }
        value
    } else {
        args.value.clone().into_bytes()
    };
    let (_machine, mut client) = open_to_write(&args.device, MissingFile::Create, None)?;
    let expires_unix_ms = args
        .ttl
        .map(|seconds| unix_ms().saturating_add(seconds.saturating_mul(1000)));
    let operation = match (args.if_version, args.if_absent) {
        (Some(version), _) => Operation::CompareAndSwap {
            key: &key,
            expected: Version(version),
            value: &value,
            expires_unix_ms,
        },
        (None, true) => Operation::Add {
            key: &key,
            value: &value,
            expires_unix_ms,
        },
        (None, false) => Operation::Put {
            key: &key,
            value: &value,
            expires_unix_ms,
        },
    };
    report(&key, &client.execute(operation)?, json)
}

/// `rdstore del`
pub(super) fn del(args: &DelArgs, json: bool) -> anyhow::Result<Outcome> {
    let key = key_bytes(&args.key)?;
    let (_machine, mut client) = open_to_write(&args.device, MissingFile::Refuse, None)?;
    report(&key, &client.delete(&key)?, json)
}
