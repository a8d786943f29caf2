//! RDStore: a client of the store on a device that another process serves.

use anyhow::{Result, bail};
use rdstore::page_store::PageStore;
use rdstore::{Client, Operation, Outcome, Statistics};

use super::{Ended, Place, Side};

/// One client of the store.
pub struct Store<P: PageStore> {
    client: Client<P>,
    /// Tickets in flight and their places.
    places: Vec<(u64, Place)>,
}

impl<P: PageStore> Store<P> {
    /// Takes a client over.
    pub fn new(client: Client<P>) -> Self {
        Self {
            client,
            places: Vec::new(),
        }
    }

    /// What the client has done so far.
    pub fn statistics(&self) -> Statistics {
        self.client.stats()
    }

    fn submit(&mut self, place: Place, operation: Operation<'_>) -> Result<()> {
        let ticket = self.client.submit(operation)?;
        self.places.push((ticket.number(), place));
        Ok(())
    }
}

impl<P: PageStore> Side for Store<P> {
    fn get(&mut self, place: Place, key: &[u8]) -> Result<()> {
        self.submit(place, Operation::Get { key })
    }

    fn update(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
        let expires_unix_ms = None;
        self.submit(
            place,
            Operation::Put {
                key,
                value,
                expires_unix_ms,
            },
        )
    }

    fn advance(&mut self, mut on_end: impl FnMut(Place, Ended<'_>) -> Result<()>) -> Result<()> {
        let places = &mut self.places;
        let mut failure = None;
        let ended = self.client.poll_with(|ticket, outcome| {
            // The oldest stand in front and end first, as a rule.
            let number = ticket.number();
            let Some(at) = places.iter().position(|&(known, _)| known == number) else {
                failure = Some(anyhow::anyhow!("an operation has ended twice"));
                return;
            };
            let (_, place) = places.remove(at);
            let passed_on = match outcome {
                Ok(Outcome::Found { value, .. }) => on_end(place, Ended::Found(value)),
                Ok(Outcome::Stored { .. }) => on_end(place, Ended::Updated),
                Ok(other) => Err(anyhow::anyhow!("the store has lost a key: {other:?}")),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = passed_on {
                failure.get_or_insert(error);
            }
        });
        if let Some(failure) = failure {
            bail!(failure);
        }
        if ended == 0 {
            self.client.wait(u64::MAX);
        }
        Ok(())
    }
}
