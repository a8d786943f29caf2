//! A mixed load of several clients, interleaved command by command.

mod draw;

use std::ops::RangeInclusive;

use anyhow::bail;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use rdstore::page_store::PageStore;
use rdstore::{Client, Error, Operation, Outcome, Ticket, Version};

use crate::record::{fill_value, key_bytes};
use crate::witness::{Action, Answer, Begun, Witness, is_device_gone};
use draw::Drawer;

/// What a load is like.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Decides every operation.
    pub seed: u64,
    /// Number of the process: operations of different ones have different numbers.
    pub epoch: u32,
    /// Keys are 0 to this.
    pub keys: u32,
    /// Each client has keys of its own: those with its number modulo the number of clients.
    pub own_keys: bool,
    /// Lengths of values, 8 bytes at least.
    pub value_bytes: RangeInclusive<usize>,
    /// Operations in flight for each client, all on different keys.
    pub outstanding: usize,
    /// Operations of each client; `None` is without end.
    pub operations: Option<u64>,
    /// Longest simulated time without any answer.
    pub patience_ns: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            epoch: 1,
            keys: 200,
            own_keys: false,
            value_bytes: 8..=1200,
            outstanding: 4,
            operations: None,
            patience_ns: 60_000_000_000,
        }
    }
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
struct Running {
    ticket: Ticket,
    begun: Begun,
}

/// What a client did, in the order of its operations' numbers.
#[derive(Clone, Debug, Default)]
pub struct ClientReport {
    /// Operations that have ended, and how; sorted by number.
    pub answers: Vec<(Begun, Answer)>,
    /// Errors met.
    pub errors: Vec<Error>,
    /// The device was gone for this client.
    pub gone: bool,
}

struct Member<P: PageStore> {
    client: Client<P>,
    drawer: Drawer,
    running: Vec<Running>,
    report: ClientReport,
}

/// The clients and what they do.
pub struct Load<P: PageStore> {
    options: LoadOptions,
    members: Vec<Member<P>>,
    value: Vec<u8>,
    last_answer_ns: u64,
    /// Waits that have brought neither an answer nor a later time.
    idle_waits: u32,
}

/// How far a load came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Every client has done all it was to do.
    Finished,
    /// The caller wanted to stop.
    Stopped,
}

/// Longest wait at a time: other clients' timeouts are looked after that often.
const WAIT_NS: u64 = 100_000_000;
/// Waits in a row that may bring nothing and take no time.
const IDLE_WAITS: u32 = 1000;

impl<P: PageStore> Load<P> {
    /// Gives `clients` something to do. Each one's id is told.
    pub fn new(clients: Vec<Client<P>>, options: LoadOptions, witness: &mut impl Witness) -> Self {
        let count = clients.len() as u32;
        let members = (0..count)
            .zip(clients)
            .map(|(index, client)| {
                witness.opened(client.info().clients);
                Member {
                    client,
                    drawer: Drawer::new(&options, index, count),
                    running: Vec::new(),
                    report: ClientReport::default(),
                }
            })
            .collect::<Vec<_>>();
        let last_answer_ns = members
            .first()
            .map_or(0, |member| member.client.store().now_ns());
        Self {
            value: vec![0; *options.value_bytes.end()],
            options,
            members,
            last_answer_ns,
            idle_waits: 0,
        }
    }

    /// Simulated time.
    pub fn now_ns(&self) -> u64 {
        let first = self.members.first();
        first.map_or(0, |member| member.client.store().now_ns())
    }

    /// The clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client<P>> {
        self.members.iter().map(|member| &member.client)
    }

    /// Operations that have ended so far.
    pub fn ended(&self) -> usize {
        let answers = self
            .members
            .iter()
            .map(|member| member.report.answers.len());
        answers.sum()
    }

    /// Goes on until everything is done or `stop` says so; it is asked before every wait.
    ///
    /// # Errors
    /// A hang: nothing was answered for [`LoadOptions::patience_ns`] of simulated time.
    pub fn run(
        &mut self,
        witness: &mut impl Witness,
        mut stop: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<Progress> {
        loop {
            if stop(self) {
                return Ok(Progress::Stopped);
            }
            let mut moved = false;
            let mut idle = true;
            for member in &mut self.members {
                moved |= member.look_after(&self.options, &mut self.value, witness);
                idle &= member.running.is_empty();
            }
            if idle {
                return Ok(Progress::Finished);
            }
            let now_ns = self.now_ns();
            if moved {
                self.last_answer_ns = now_ns;
                continue;
            }
            if now_ns - self.last_answer_ns > self.options.patience_ns {
                bail!(
                    "hangs: nothing was answered for {} ns; {}",
                    now_ns - self.last_answer_ns,
                    self.under_way()
                );
            }
            self.wait();
            self.idle_waits = if self.now_ns() > now_ns {
                0
            } else {
                self.idle_waits + 1
            };
            if self.idle_waits > IDLE_WAITS {
                bail!("hangs: waits do not let time pass; {}", self.under_way());
            }
        }
    }

    /// What is under way, for messages.
    fn under_way(&self) -> String {
        let of = |member: &Member<P>| {
            format!(
                "{:x?} (at the device: {}, wakes at {:?} ns)",
                member
                    .running
                    .iter()
                    .map(|running| running.begun)
                    .collect::<Vec<_>>(),
                member.client.store().in_flight(),
                member.client.next_wake_ns()
            )
        };
        let busy = self
            .members
            .iter()
            .filter(|member| !member.running.is_empty());
        let busy = busy.map(of).collect::<Vec<_>>().join(", ");
        format!("at {} ns under way: {busy}", self.now_ns())
    }

    fn wait(&mut self) {
        let limit_ns = self.now_ns() + WAIT_NS;
        let wakes = self
            .members
            .iter()
            .filter_map(|member| member.client.next_wake_ns());
        let deadline_ns = wakes.fold(limit_ns, u64::min);
        // Those of a client whose device is gone may still be backing off.
        let busy = self
            .members
            .iter_mut()
            .filter(|member| !member.running.is_empty());
        let waiting = busy.min_by_key(|member| member.report.gone);
        if let Some(member) = waiting {
            member.client.wait(deadline_ns);
        }
    }

    /// What each client did, and the clients.
    pub fn into_reports(self) -> (Vec<ClientReport>, Vec<Client<P>>) {
        self.members
            .into_iter()
            .map(|mut member| {
                let answers = &mut member.report.answers;
                answers.sort_by_key(|(begun, _)| begun.operation);
                (member.report, member.client)
            })
            .unzip()
    }
}

impl<P: PageStore> Member<P> {
    /// Takes what has ended and begins something new; true when anything happened.
    fn look_after(
        &mut self,
        options: &LoadOptions,
        value: &mut [u8],
        witness: &mut impl Witness,
    ) -> bool {
        let Self {
            client,
            drawer,
            running,
            report,
        } = self;
        let mut moved = false;
        client.poll_with(|ticket, result| {
            moved = true;
            let Some(at) = running.iter().position(|running| running.ticket == ticket) else {
                // An answer to nothing that was asked: the witness knows what to say to that.
                witness.ended(ticket.number(), Answer::Broken);
                return;
            };
            let begun = running.swap_remove(at).begun;
            Self::take(begun, &result, drawer, report, witness);
        });
        while running.len() < options.outstanding && !report.gone {
            let under_way = |key| running.iter().any(|running| running.begun.key == key);
            let Some(begun) = drawer.next(under_way) else {
                break;
            };
            let value = &mut value[..begun.value_bytes as usize];
            fill_value(begun.operation, value);
            witness.begun(begun);
            moved = true;
            match client.submit(operation_of(begun, &key_bytes(begun.key), value)) {
                Ok(ticket) => running.push(Running { ticket, begun }),
                Err(error) => {
                    // Buffers that a failed controller has kept do not come back.
                    report.gone |= matches!(error, Error::Busy { .. });
                    Self::take(begun, &Err(error), drawer, report, witness);
                }
            }
        }
        moved
    }

    fn take(
        begun: Begun,
        result: &Result<Outcome<&[u8]>, Error>,
        drawer: &mut Drawer,
        report: &mut ClientReport,
        witness: &mut impl Witness,
    ) {
        let answer = Answer::of(result);
        drawer.learn(begun.key, answer);
        report.answers.push((begun, answer));
        if let Err(error) = result {
            report.gone |= is_device_gone(error);
            report.errors.push(error.clone());
        }
        witness.ended(begun.operation, answer);
    }
}

fn operation_of<'a>(begun: Begun, key: &'a [u8], value: &'a [u8]) -> Operation<'a> {
    let expires_unix_ms = None;
    match begun.action {
        Action::Get => Operation::Get { key },
        Action::Delete => Operation::Delete { key },
        Action::Put => Operation::Put {
            key,
            value,
            expires_unix_ms,
        },
        Action::Add => Operation::Add {
            key,
            value,
            expires_unix_ms,
        },
        Action::Swap { expected } => Operation::CompareAndSwap {
            key,
            expected: Version(expected),
            value,
            expires_unix_ms,
        },
    }
}

/// A generator of its own for each use of one seed.
pub fn generator(seed: u64, purpose: u64) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
