//! A process with a mixed load is killed at random moments, again and again on the same image.
//!
//! These tests are a program of their own, and one runs at a time. Starting a process forks this
//! one, and until the new program is in place it holds every open file once more, locks included:
//! a test beside it that closes an image and opens it again would find it in use.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use rdstore_crash_tests::inspection::{check, inspect};
use rdstore_crash_tests::journal::{RECORD_BYTES, Record};
use rdstore_crash_tests::ledger::Ledger;
use rdstore_crash_tests::load::generator;
use rdstore_crash_tests::reclaim::fill_up_and_empty;
use rdstore_crash_tests::rig::{PAGE_BYTES, Rig, RigOptions};
use tempfile::TempDir;

/// Home pages of the image: 200 keys of up to 1,200 bytes fill them to about two thirds, so that
/// many stand in other pages than their own.
const HOME_PAGES: u64 = 32;
const KEYS: u32 = 200;
const FUNCTIONS: u8 = 3;
const CLIENTS: usize = 5;
/// How often a client that did not die clears up after those that did.
const KILLS_A_RECLAIM: u32 = 50;

/// Held by the test that runs.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A test that has failed has left nothing behind.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child, and what it has told.
struct Victim {
    child: Child,
    told: Vec<u8>,
}

impl Victim {
    fn start(image: &Path, seed: u64, epoch: u32) -> anyhow::Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_crash-child"))
            .arg(image)
            .args([seed.to_string(), epoch.to_string(), KEYS.to_string()])
            .args([FUNCTIONS.to_string(), CLIENTS.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the child")?;
        Ok(Self {
            child,
            told: Vec::new(),
        })
    }

    /// Reads until so many records have come.
    fn listen(&mut self, records: usize) -> anyhow::Result<()> {
        let pipe = self.child.stdout.as_mut().context("its pipe")?;
        let mut chunk = [0; 64 * RECORD_BYTES];
        while self.told.len() < records * RECORD_BYTES {
            let bytes = pipe.read(&mut chunk)?;
            ensure!(
                bytes > 0,
                "the child ended by itself: {:?}",
                self.child.wait()
            );
            self.told.extend_from_slice(&chunk[..bytes]);
        }
        Ok(())
    }

    /// SIGKILL; gives back all that it has told.
    fn kill(mut self) -> anyhow::Result<Vec<Record>> {
        self.child.kill()?;
        let mut pipe = self.child.stdout.take().context("its pipe")?;
        pipe.read_to_end(&mut self.told)?;
        let status = self.child.wait()?;
        ensure!(!status.success(), "the child ended by itself: {status}");
        let (records, rest) = self.told.as_chunks::<RECORD_BYTES>();
        ensure!(rest.is_empty(), "half a record: {rest:x?}");
        records
            .iter()
            .map(|bytes| Record::from_bytes(bytes).with_context(|| format!("{bytes:x?}")))
            .collect()
    }
}

struct Campaign {
    image: PathBuf,
    random: Pcg64Mcg,
    ledger: Ledger,
    overflowed: u64,
    orphans: u64,
}

impl Campaign {
    fn new(folder: &TempDir, seed: u64) -> anyhow::Result<Self> {
        let image = folder.path().join("x.img");
        Rig::create(&image, HOME_PAGES, seed)?;
        Ok(Self {
            image,
            random: generator(seed, 1000),
            ledger: Ledger::default(),
            overflowed: 0,
            orphans: 0,
        })
    }

    /// One child's life.
    fn kill_one(&mut self, epoch: u32) -> anyhow::Result<()> {
        let seed = self.random.random();
        let mut victim = Victim::start(&self.image, seed, epoch)?;
        // Most die at work, some while they open the image, the functions and the store.
        let (records, longest_us) = match self.random.random_range(0..10) {
            0 => (0, 25_000),
            1 => (1, 200),
            _ => (self.random.random_range(10..1500), 1_500),
        };
        victim.listen(records)?;
        let pause = Duration::from_micros(self.random.random_range(0..longest_us));
        let from = Instant::now();
        while from.elapsed() < pause {
            std::hint::spin_loop();
        }
        for record in victim.kill()? {
            record.tell(&mut self.ledger);
        }
        Ok(())
    }

    fn inspect(&mut self) -> anyhow::Result<()> {
        let report = inspect(&self.image, KEYS, &mut self.ledger)?;
        self.overflowed = self.overflowed.max(report.overflowed_keys);
        self.orphans = self.orphans.max(report.orphans);
        Ok(())
    }

    /// A client that has known nobody clears up; the keys of the campaign stay.
    fn reclaim(&mut self) -> anyhow::Result<()> {
        let rig = Rig::open(&self.image, &RigOptions::default())?;
        let mut client = rig.client(1)?;
        fill_up_and_empty(&mut client)?;
        let report = check(&rig, 0)?;
        ensure!(report.orphans == 0, "{} orphans stay", report.orphans);
        Ok(())
    }
}

#[test]
fn what_a_killed_process_was_told_is_there() {
    let _alone = alone();
    let seed = rdstore_crash_tests::seed();
    let kills = if rdstore_crash_tests::full() {
        1000
    } else {
        40
    };
    let folder = TempDir::new().unwrap();
    let mut campaign = Campaign::new(&folder, seed).unwrap();
    for kill in 1..=kills {
        let survived = campaign
            .kill_one(kill)
            .and_then(|()| campaign.inspect())
            .and_then(|()| {
                if kill % KILLS_A_RECLAIM == 0 || kill == kills {
                    campaign.reclaim()?;
                    // The keys' pages have new versions; the keys have not.
                    campaign.inspect()?;
                }
                Ok(())
            });
        if let Err(error) = survived {
            let kept = folder.keep();
            panic!("kill {kill} of RDSTORE_SEED={seed}: {error:?}\nthe image is kept in {kept:?}");
        }
    }
    let totals = campaign.ledger.totals();
    println!(
        "{kills} kills: {totals:?}, up to {} overflowed keys and {} orphans, {} client ids",
        campaign.overflowed,
        campaign.orphans,
        campaign.ledger.newest_client_id()
    );
    assert!(totals.acknowledged > u64::from(kills) * 50, "{totals:?}");
    assert!(totals.unanswered > u64::from(kills), "{totals:?}");
    assert!(
        totals.took_effect > 0,
        "no update was cut off between commit and answer"
    );
    assert!(
        campaign.overflowed > 10,
        "nothing stands in a page of others"
    );
    assert_eq!(totals.unknown, 0);
}

/// The story: a write-back cache that forgets. One page of the image goes back to what it was
/// before the child ran, with a right checksum, so that only the history can tell.
#[test]
fn an_update_that_is_rolled_back_behind_the_store_is_noticed() {
    let _alone = alone();
    let seed = rdstore_crash_tests::seed();
    let folder = TempDir::new().unwrap();
    let mut campaign = Campaign::new(&folder, seed).unwrap();
    for epoch in 1..=2 {
        campaign.kill_one(epoch).unwrap();
        campaign.inspect().unwrap();
    }
    let before = std::fs::read(&campaign.image).unwrap();
    let mut victim = Victim::start(&campaign.image, seed, 3).unwrap();
    victim.listen(1500).unwrap();
    for record in victim.kill().unwrap() {
        record.tell(&mut campaign.ledger);
    }
    let mut after = std::fs::read(&campaign.image).unwrap();
    let first_home = 16 * PAGE_BYTES;
    for at in (first_home..first_home + HOME_PAGES as usize * PAGE_BYTES).step_by(PAGE_BYTES) {
        if before[at..][..PAGE_BYTES] != after[at..][..PAGE_BYTES] {
            after[at..][..PAGE_BYTES].copy_from_slice(&before[at..][..PAGE_BYTES]);
            break;
        }
    }
    std::fs::write(&campaign.image, after).unwrap();
    let error = format!("{:#}", campaign.inspect().unwrap_err());
    assert!(
        error.contains("lost update") || error.contains("fsck finds"),
        "{error}"
    );
}
