//! Every kind of operation, in a store prepared for it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use rdstore::{Client, FsckOptions, Operation, Outcome, fsck};

use crate::mortal::{Death, Lifetime, MortalPages, live_and_die};
use crate::record::value_of;
use crate::rig::{FIRST_HOME_PAGE, PAGE_BYTES, Pages, Rig, RigOptions};

/// Home pages of a scenario's store.
pub const HOME_PAGES: u64 = 5;

/// What an operation does to the pages, by the way it takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scenario {
    /// A look-up in the home page.
    Read,
    /// A value is replaced in its home page.
    Update,
    /// A key comes into its home page.
    Insert,
    /// A key leaves its home page.
    Delete,
    /// A key comes into another page: prepare, commit at home.
    OverflowInsert,
    /// A value grows beyond its home page: prepare, commit at home.
    MoveOut,
    /// A value is replaced in another page.
    GuestUpdate,
    /// A key leaves another page: tombstone, unlink at home, reclaim.
    GuestDelete,
    /// A value comes back to its home page: freeze, commit at home, reclaim.
    PullHome,
    /// A value moves from one other page to another: prepare, freeze, commit at home, reclaim.
    GuestMove,
    /// The home page has no room to name another page, so that a neighbour moves out first.
    Eviction,
    /// A key comes back whose deletion was cut off between tombstone and unlinking.
    InsertOverTombstone,
    /// A value is replaced whose move was cut off after it was frozen.
    UpdateOfFrozen,
    /// There is no room, but for what a dead client had prepared: clean, then insert.
    Cleaning,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Read,
        Self::Update,
        Self::Insert,
        Self::Delete,
        Self::OverflowInsert,
        Self::MoveOut,
        Self::GuestUpdate,
        Self::GuestDelete,
        Self::PullHome,
        Self::GuestMove,
        Self::Eviction,
        Self::InsertOverTombstone,
        Self::UpdateOfFrozen,
        Self::Cleaning,
    ];

    /// Compare-and-Writes that the operation needs: a scenario that needs others is not what its
    /// name says.
    pub const fn pairs(self) -> u64 {
        match self {
            Self::Read => 0,
            Self::Update | Self::Insert | Self::Delete | Self::GuestUpdate => 1,
            Self::OverflowInsert | Self::MoveOut | Self::InsertOverTombstone => 2,
            Self::GuestDelete | Self::PullHome | Self::Eviction | Self::UpdateOfFrozen => 3,
            Self::GuestMove | Self::Cleaning => 4,
        }
    }
}

/// A store that is ready for its operation.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The image file's bytes.
    pub image: Vec<u8>,
    /// The operation's key.
    pub key: Vec<u8>,
    /// The value it writes; `None` is a deletion, or a look-up for [`Scenario::Read`].
    pub value: Option<Vec<u8>>,
    /// What the store holds.
    pub before: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Which scenario it is.
    pub scenario: Scenario,
}

impl Prepared {
    /// The operation.
    pub fn operation(&self) -> Operation<'_> {
        let key = &self.key;
        match &self.value {
            _ if self.scenario == Scenario::Read => Operation::Get { key },
            None => Operation::Delete { key },
            Some(value) => Operation::Put {
                key,
                value,
                expires_unix_ms: None,
            },
        }
    }

    /// What the key has afterwards.
    pub fn after(&self) -> Option<&Vec<u8>> {
        if self.scenario == Scenario::Read {
            return self.before.get(&self.key);
        }
        self.value.as_ref()
    }
}

/// Prepares a store for `scenario` in the new file `path`.
///
/// # Errors
/// The store is not as the scenario needs it.
pub fn prepare(path: &Path, scenario: Scenario) -> anyhow::Result<Prepared> {
    Rig::create(path, HOME_PAGES, 7)?;
    let rig = Rig::open(path, &RigOptions::default())?;
    let mut stage = Stage {
        client: rig.client(0)?,
        rig,
        before: BTreeMap::new(),
        next: 0,
    };
    let (key, value_bytes) = stage
        .set(scenario)
        .with_context(|| format!("preparing {scenario:?}"))?;
    let Stage {
        rig,
        client,
        before,
        ..
    } = stage;
    drop(client);
    let report = fsck(&mut rig.pages(1)?, &FsckOptions::default())?;
    ensure!(report.is_clean(), "preparing {scenario:?}: {report:?}");
    drop(rig);
    Ok(Prepared {
        image: std::fs::read(path)?,
        value: value_bytes.map(|bytes| value_of(u64::MAX - 1, bytes)),
        key,
        before,
        scenario,
    })
}

/// Bytes of the values that fill a page by three.
const THIRD: usize = 1100;

/// A store being prepared.
struct Stage {
    rig: Rig,
    client: Client<Pages>,
    before: BTreeMap<Vec<u8>, Vec<u8>>,
    next: u64,
}

impl Stage {
    /// A key that was not used, whose home is page `page` of the home pages.
    fn key(&mut self, page: u64) -> anyhow::Result<Vec<u8>> {
        loop {
            let key = format!("s{:05}", self.next).into_bytes();
            self.next += 1;
            if self.client.cursor_for(&key)?.page == FIRST_HOME_PAGE + page {
                return Ok(key);
            }
        }
    }

    fn put(&mut self, key: &[u8], bytes: usize) -> anyhow::Result<()> {
        self.next += 1;
        let value = value_of(self.next, bytes);
        let outcome = self.client.put(key, &value)?;
        ensure!(matches!(outcome, Outcome::Stored { .. }), "{outcome:?}");
        self.before.insert(key.to_vec(), value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> anyhow::Result<()> {
        self.client.delete(key)?;
        self.before.remove(key);
        Ok(())
    }

    /// New keys with values of `bytes` in their home page.
    fn fill(&mut self, page: u64, count: usize, bytes: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        (0..count)
            .map(|_| {
                let key = self.key(page)?;
                self.put(&key, bytes)?;
                Ok(key)
            })
            .collect()
    }

    /// A client that dies after `pairs` Compare-and-Writes of an operation.
    fn cut_off(&mut self, pairs: u64, operation: Operation<'_>) -> anyhow::Result<()> {
        let lifetime = Lifetime::default();
        let pages = MortalPages::new(self.rig.pages(2)?, lifetime.clone());
        let mut client = Client::open(pages, rdstore::OpenOptions::default())?;
        lifetime.ends_after_pairs(pairs);
        let death = Death::BeforeNextCommand;
        let ended = live_and_die(&mut client, &lifetime, u64::MAX, death, operation)?;
        ensure!(ended.is_none(), "it did not die, but ended: {ended:?}");
        Ok(())
    }

    /// The home page in which `key` stands, in whatever state.
    fn place_of(&self, key: &[u8]) -> anyhow::Result<u64> {
        let mut page = vec![0; PAGE_BYTES];
        for index in 0..HOME_PAGES {
            let offset = (FIRST_HOME_PAGE + index) * PAGE_BYTES as u64;
            self.rig.host.peek_medium(offset, &mut page);
            if page.windows(key.len()).any(|window| window == key) {
                return Ok(index);
            }
        }
        anyhow::bail!("no page has {}", key.escape_ascii())
    }

    /// Three values fill page 0, and a fourth key stands elsewhere: its name and its place.
    fn overflow(&mut self, bytes: usize) -> anyhow::Result<(Vec<u8>, u64)> {
        self.fill(0, 3, THIRD)?;
        let key = self.key(0)?;
        self.put(&key, bytes)?;
        let place = self.place_of(&key)?;
        ensure!(place != 0, "it stands in its home page");
        Ok((key, place))
    }

    /// Makes the store ready; gives back the operation's key and the length of its value.
    fn set(&mut self, scenario: Scenario) -> anyhow::Result<(Vec<u8>, Option<usize>)> {
        Ok(match scenario {
            Scenario::Read => (self.fill(0, 3, THIRD)?.swap_remove(1), None),
            Scenario::Update => (self.fill(0, 3, THIRD)?.swap_remove(1), Some(THIRD)),
            Scenario::Delete => (self.fill(0, 3, THIRD)?.swap_remove(1), None),
            Scenario::Insert => {
                self.fill(0, 2, THIRD)?;
                (self.key(0)?, Some(500))
            }
            Scenario::OverflowInsert => {
                self.fill(0, 3, THIRD)?;
                (self.key(0)?, Some(THIRD))
            }
            Scenario::MoveOut => (self.fill(0, 3, THIRD)?.swap_remove(1), Some(2500)),
            Scenario::GuestUpdate => (self.overflow(THIRD)?.0, Some(THIRD)),
            Scenario::GuestDelete => (self.overflow(THIRD)?.0, None),
            Scenario::PullHome => {
                let neighbours = self.fill(0, 3, THIRD)?;
                let key = self.key(0)?;
                self.put(&key, THIRD)?;
                self.delete(&neighbours[0])?;
                (key, Some(THIRD))
            }
            Scenario::GuestMove => {
                let (key, place) = self.overflow(THIRD)?;
                self.fill(place, 2, THIRD)?;
                (key, Some(2000))
            }
            Scenario::Eviction => {
                self.fill_to_the_brim()?;
                self.fill(0, 4, 300)?;
                (self.key(0)?, Some(300))
            }
            Scenario::InsertOverTombstone => {
                let (key, _) = self.overflow(THIRD)?;
                self.cut_off(1, Operation::Delete { key: &key })?;
                self.before.remove(&key);
                (key, Some(THIRD))
            }
            Scenario::UpdateOfFrozen => {
                let (key, place) = self.overflow(THIRD)?;
                self.fill(place, 2, THIRD)?;
                self.cut_off(
                    2,
                    Operation::Put {
                        key: &key,
                        value: &value_of(u64::MAX - 2, 2000),
                        expires_unix_ms: None,
                    },
                )?;
                (key, Some(THIRD))
            }
            Scenario::Cleaning => {
                self.fill(0, 3, THIRD)?;
                let orphan = self.key(0)?;
                self.cut_off(
                    1,
                    Operation::Put {
                        key: &orphan,
                        value: &value_of(u64::MAX - 2, 3000),
                        expires_unix_ms: None,
                    },
                )?;
                let place = self.place_of(&orphan)?;
                for page in (1..HOME_PAGES).filter(|page| *page != place) {
                    self.fill(page, 3, THIRD)?;
                }
                (self.key(0)?, Some(THIRD))
            }
        })
    }

    /// Fills page 0 so that there is no room to name another page.
    fn fill_to_the_brim(&mut self) -> anyhow::Result<()> {
        self.fill(0, 2, THIRD)?;
        let last = self.key(0)?;
        // From a length that cannot fit down to the first that does.
        for bytes in (THIRD..1700).rev() {
            let overflowed = self.client.stats().overflowed;
            self.put(&last, bytes)?;
            if self.client.stats().overflowed == overflowed {
                ensure!(self.place_of(&last)? == 0, "it is not at home");
                return Ok(());
            }
        }
        anyhow::bail!("the page never gets full")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_is_what_its_name_says() {
        let folder = tempfile::TempDir::new().unwrap();
        for scenario in Scenario::ALL {
            let path = folder.path().join(format!("{scenario:?}.img"));
            let prepared = prepare(&path, scenario).unwrap();
            let rig = Rig::open(&path, &RigOptions::default()).unwrap();
            let mut client = rig.client(0).unwrap();
            let mut costs = Vec::new();
            client.take_costs(&mut costs);
            client.execute(prepared.operation()).unwrap();
            client.take_costs(&mut costs);
            let cost = costs[0].1;
            assert_eq!(
                (cost.compare_and_writes, cost.miscompares),
                (scenario.pairs(), 0),
                "{scenario:?}: {cost:?}"
            );
        }
    }
}
