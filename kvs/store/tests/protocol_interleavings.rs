//! The overflow protocol under every interleaving of the clients' page I/Os: small scripts on
//! stores of three or four pages where one or two entries fill a page.

mod support;

use rdstore::testing::{MemoryDevice, MemoryOptions};
use support::explorer::{Do, Exploration, Explored, explore};
use support::history::{Answer, Asked, Event};
use support::sample::{FIRST_PAGE, client, device, keys_at, value};

/// Fills a page alone.
const LARGE: usize = 3000;
/// Two fit in a page.
const HALF: usize = 1700;

/// A store of `pages` pages in the making.
struct Scene {
    device: MemoryDevice,
    before: Vec<Event>,
    keys: Vec<Vec<u8>>,
}

impl Scene {
    fn new(pages: usize) -> Self {
        let device = device(pages, MemoryOptions::default());
        Self {
            device,
            before: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// `count` keys whose home is page `page`.
    fn keys_at(&mut self, page: usize, count: usize) -> Vec<Vec<u8>> {
        let keys = keys_at(&client(&self.device), page, count);
        self.keys.extend(keys.iter().cloned());
        keys
    }

    /// Puts a key before the exploration begins.
    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let answer = Answer::of(&client(&self.device).put(key, &value));
        assert!(matches!(answer, Answer::Stored(_)));
        let moment = 2 * self.before.len() as u64 + 1;
        let (asked, begin, end) = (Asked::Put(value), moment, moment + 1);
        self.before.push(Event {
            key: key.to_vec(),
            asked,
            answer,
            begin,
            end,
        });
    }

    fn delete(&mut self, key: &[u8]) {
        let answer = Answer::of(&client(&self.device).delete(key));
        assert!(matches!(answer, Answer::Deleted(_)));
        let moment = 2 * self.before.len() as u64 + 1;
        let (asked, begin, end) = (Asked::Delete, moment, moment + 1);
        self.before.push(Event {
            key: key.to_vec(),
            asked,
            answer,
            begin,
            end,
        });
    }

    fn explore(self, unknown: u32, deaths: u32, scripts: Vec<Vec<Do>>) -> Explored {
        self.explore_with(unknown, false, deaths, scripts, false)
    }

    /// One Compare-and-Write of the first client may have an unknown outcome.
    fn explore_first_unknown(self, scripts: Vec<Vec<Do>>) -> Explored {
        self.explore_with(1, true, 0, scripts, false)
    }

    /// The store may be full while one lives that dies.
    fn explore_near_full(self, deaths: u32, scripts: Vec<Vec<Do>>) -> Explored {
        self.explore_with(0, false, deaths, scripts, true)
    }

    fn explore_with(
        self,
        unknown: u32,
        unknown_first_only: bool,
        deaths: u32,
        scripts: Vec<Vec<Do>>,
        may_be_full: bool,
    ) -> Explored {
        let pages = self.pages();
        let plan = Exploration {
            image: self.device.bytes(0, (FIRST_PAGE + pages) * 4096),
            scripts,
            keys: self.keys,
            before: self.before,
            unknown,
            unknown_first_only,
            deaths,
            may_be_full,
            limit: std::env::var("RDSTORE_SCHEDULES").map_or(60_000, |n| n.parse().unwrap()),
        };
        let explored = explore(&plan);
        println!("{explored:?}");
        explored
    }

    fn pages(&self) -> usize {
        usize::try_from(client(&self.device).info().home_pages).unwrap()
    }
}

fn put(key: &[u8], tag: u8, bytes: usize) -> Do {
    Do::Put(key.to_vec(), value(tag, bytes))
}

fn add(key: &[u8], tag: u8, bytes: usize) -> Do {
    Do::Add(key.to_vec(), value(tag, bytes))
}

fn swap(key: &[u8], tag: u8, bytes: usize) -> Do {
    Do::Swap(key.to_vec(), value(tag, bytes))
}

fn get(key: &[u8]) -> Do {
    Do::Get(key.to_vec())
}

fn delete(key: &[u8]) -> Do {
    Do::Delete(key.to_vec())
}

/// A page that is full of its own key, and two keys more that belong there.
fn full_home(pages: usize) -> (Scene, Vec<Vec<u8>>) {
    let mut scene = Scene::new(pages);
    let keys = scene.keys_at(0, 3);
    scene.put(&keys[0], value(1, LARGE));
    (scene, keys)
}

/// The same, with the second key in another page already.
fn overflowed(pages: usize, bytes: usize) -> (Scene, Vec<Vec<u8>>) {
    let (mut scene, keys) = full_home(pages);
    scene.put(&keys[1], value(2, bytes));
    (scene, keys)
}

#[test]
fn the_same_absent_key_is_added_by_two() {
    let (mut scene, keys) = full_home(4);
    scene.keys.truncate(2);
    let scripts = vec![
        vec![add(&keys[1], 3, LARGE), get(&keys[1])],
        vec![add(&keys[1], 4, LARGE), get(&keys[1])],
    ];
    assert!(scene.explore(0, 0, scripts).complete);
}

#[test]
fn two_absent_keys_overflow_from_one_home() {
    let (scene, keys) = full_home(4);
    let scripts = vec![vec![put(&keys[1], 3, HALF)], vec![put(&keys[2], 4, HALF)]];
    assert!(scene.explore(0, 0, scripts).complete);
}

#[test]
fn an_overflowed_key_is_updated_and_deleted_and_read() {
    let (mut scene, keys) = overflowed(4, LARGE);
    scene.keys.truncate(2);
    let scripts = vec![
        vec![put(&keys[1], 3, LARGE), get(&keys[1])],
        vec![delete(&keys[1])],
        vec![get(&keys[1])],
    ];
    assert!(scene.explore(0, 0, scripts).complete);
}

#[test]
fn an_overflowed_key_is_deleted_and_added_again_while_somebody_swaps() {
    let (mut scene, keys) = overflowed(4, LARGE);
    scene.keys.truncate(2);
    let scripts = vec![
        vec![delete(&keys[1]), add(&keys[1], 3, LARGE)],
        vec![get(&keys[1]), swap(&keys[1], 4, LARGE)],
    ];
    assert!(scene.explore(0, 0, scripts).complete);
}

/// Two pages each with room for one half: an overflowed key that grows has to move.
fn crowded() -> (Scene, Vec<Vec<u8>>) {
    let mut scene = Scene::new(4);
    let keys = scene.keys_at(0, 2);
    scene.put(&keys[0], value(1, LARGE));
    scene.put(&keys[1], value(2, 400));
    for page in 1..4 {
        let own = scene.keys_at(page, 1);
        let taken = 3000 - 700 * (page / 3);
        scene.put(&own[0], value(9, taken));
    }
    (scene, keys)
}

#[test]
fn an_overflowed_key_grows_and_moves_while_others_write_it() {
    for other in [put(b"", 4, 500), delete(b""), get(b"")] {
        let (scene, keys) = crowded();
        let other = match other {
            Do::Put(_, value) => Do::Put(keys[1].clone(), value),
            Do::Delete(_) => Do::Delete(keys[1].clone()),
            _ => Do::Get(keys[1].clone()),
        };
        let scripts = vec![
            vec![put(&keys[1], 3, 1000), get(&keys[1])],
            vec![other, get(&keys[1])],
        ];
        assert!(scene.explore(0, 0, scripts).complete);
    }
}

#[test]
fn an_overflowed_key_is_pulled_home_while_others_write_it() {
    for other in [put(b"", 4, 500), delete(b""), get(b"")] {
        let (mut scene, keys) = overflowed(4, LARGE);
        scene.delete(&keys[0]);
        scene.keys.truncate(2);
        let other = match other {
            Do::Put(_, value) => Do::Put(keys[1].clone(), value),
            Do::Delete(_) => Do::Delete(keys[1].clone()),
            _ => Do::Get(keys[1].clone()),
        };
        let scripts = vec![
            vec![put(&keys[1], 3, LARGE), get(&keys[1])],
            vec![other, get(&keys[1])],
        ];
        assert!(scene.explore(0, 0, scripts).complete);
    }
}

#[test]
fn a_native_entry_grows_out_of_its_page_while_others_write_it() {
    for other in [put(b"", 4, 500), delete(b""), get(b"")] {
        let mut scene = Scene::new(4);
        let keys = scene.keys_at(0, 2);
        scene.put(&keys[0], value(1, HALF));
        scene.put(&keys[1], value(2, HALF));
        let other = match other {
            Do::Put(_, value) => Do::Put(keys[1].clone(), value),
            Do::Delete(_) => Do::Delete(keys[1].clone()),
            _ => Do::Get(keys[1].clone()),
        };
        let scripts = vec![
            vec![put(&keys[1], 3, LARGE), get(&keys[1])],
            vec![other, get(&keys[1])],
        ];
        assert!(scene.explore(0, 0, scripts).complete);
    }
}

#[test]
fn a_host_is_a_home_too_and_overflows_meanwhile() {
    let mut scene = Scene::new(3);
    let first = scene.keys_at(0, 2);
    let second = scene.keys_at(1, 2);
    scene.put(&first[0], value(1, LARGE));
    scene.put(&second[0], value(2, 1000));
    let scripts = vec![
        vec![put(&first[1], 3, HALF), put(&first[1], 5, 100)],
        vec![put(&second[1], 4, HALF), delete(&second[0])],
    ];
    assert!(scene.explore(0, 0, scripts).complete);
}

#[test]
fn three_clients_write_one_overflowed_key() {
    let (mut scene, keys) = overflowed(4, LARGE);
    scene.keys.truncate(2);
    let scripts = vec![
        vec![delete(&keys[1])],
        vec![add(&keys[1], 3, LARGE)],
        vec![get(&keys[1]), swap(&keys[1], 4, LARGE)],
    ];
    assert!(scene.explore(0, 0, scripts).complete);
}

#[test]
fn one_compare_and_write_has_an_unknown_outcome() {
    let (mut scene, keys) = full_home(4);
    scene.keys.truncate(2);
    let scripts = vec![vec![add(&keys[1], 3, LARGE)], vec![put(&keys[1], 4, LARGE)]];
    scene.explore(1, 0, scripts);
    let (mut scene, keys) = overflowed(4, LARGE);
    scene.keys.truncate(2);
    let scripts = vec![vec![put(&keys[1], 3, LARGE)], vec![delete(&keys[1])]];
    scene.explore(1, 0, scripts);
    let mut scene = Scene::new(4);
    let keys = scene.keys_at(0, 1);
    scene.put(&keys[0], value(1, 10));
    let scripts = vec![
        vec![put(&keys[0], 3, 20)],
        vec![delete(&keys[0]), add(&keys[0], 4, 10)],
    ];
    assert!(scene.explore(1, 0, scripts).complete);
}

/// Puts of one small entry that make its page forget, together with what comes before.
fn busy(key: &[u8], count: u8) -> Vec<Do> {
    (0..count).map(|n| put(key, n, 10)).collect()
}

/// The others write the entry as well, or delete it and add it again.
#[test]
fn an_entry_has_an_unknown_outcome_in_a_page_that_forgets() {
    for (deletes, again, count) in [(false, false, 4), (false, true, 3), (true, true, 3)] {
        let mut scene = Scene::new(4);
        let keys = scene.keys_at(0, 2);
        scene.put(&keys[0], value(1, 10));
        let mine = if deletes {
            delete(&keys[0])
        } else {
            put(&keys[0], 3, 20)
        };
        let mut theirs = if again {
            vec![delete(&keys[0]), add(&keys[0], 4, 10)]
        } else {
            vec![put(&keys[0], 4, 10)]
        };
        theirs.extend(busy(&keys[1], count));
        let scripts = vec![vec![mine], theirs];
        assert!(scene.explore_first_unknown(scripts).complete);
    }
}

#[test]
fn a_guest_has_an_unknown_outcome_in_a_host_that_forgets() {
    let (mut scene, keys) = overflowed(2, LARGE);
    scene.keys.truncate(2);
    let neighbour = scene.keys_at(1, 1).remove(0);
    let mut theirs = vec![put(&keys[1], 4, LARGE)];
    theirs.extend(busy(&neighbour, 4));
    let scripts = vec![vec![put(&keys[1], 3, LARGE)], theirs];
    assert!(scene.explore_first_unknown(scripts).complete);
}

#[test]
fn a_client_dies_anywhere_and_the_others_go_on() {
    let (mut scene, keys) = full_home(4);
    scene.keys.truncate(2);
    let scripts = vec![vec![add(&keys[1], 3, LARGE)], vec![put(&keys[1], 4, LARGE)]];
    assert!(scene.explore(0, 1, scripts).complete);
    let (mut scene, keys) = overflowed(4, LARGE);
    scene.keys.truncate(2);
    let scripts = vec![vec![delete(&keys[1])], vec![put(&keys[1], 4, LARGE)]];
    assert!(scene.explore(0, 1, scripts).complete);
    let (scene, keys) = crowded();
    let scripts = vec![vec![put(&keys[1], 3, 1000)], vec![put(&keys[1], 4, 900)]];
    // While the first is alive, what it has prepared takes the only room there is.
    assert!(scene.explore_near_full(1, scripts).complete);
}

/// A page so full that its directory cannot grow: an entry has to leave before a key can overflow.
#[test]
fn an_entry_leaves_to_make_room_for_a_name_while_others_write_it() {
    for victim in [put(b"", 9, 800), delete(b""), get(b"")] {
        let mut scene = Scene::new(4);
        let keys = scene.keys_at(0, 9);
        scene.put(&keys[0], value(1, 900));
        scene.put(&keys[1], value(2, 800));
        scene.put(&keys[2], value(3, 700));
        scene.put(&keys[3], value(4, 1254));
        for key in &keys[4..8] {
            scene.put(key, value(5, 60));
        }
        let victim = match victim {
            Do::Put(_, value) => Do::Put(keys[3].clone(), value),
            Do::Delete(_) => Do::Delete(keys[3].clone()),
            _ => Do::Get(keys[3].clone()),
        };
        let scripts = vec![vec![add(&keys[8], 7, 60)], vec![victim, get(&keys[3])]];
        assert!(scene.explore(0, 0, scripts).complete);
    }
}
