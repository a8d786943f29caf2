//! What a workload is measured by.

use anyhow::anyhow;
use hdrhistogram::Histogram;

use super::fleet::Cost;
use super::workload::OperationKind;

/// Longest latency a histogram tells apart: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// What one kind of operation did.
#[derive(Debug)]
pub struct KindMeasure {
    /// Operations that ended.
    pub count: u64,
    /// Simulated time of each, from its start to its result.
    pub latency_ns: Histogram<u64>,
    /// The longest, exactly.
    pub longest_ns: u64,
    /// Device I/Os, all together.
    pub cost: Cost,
}

/// All kinds.
#[derive(Debug)]
pub struct Measures {
    kinds: Vec<KindMeasure>,
}

impl Measures {
    /// Nothing measured yet.
    ///
    /// # Errors
    /// Never with the constants used here.
    pub fn new() -> anyhow::Result<Self> {
        let kinds = OperationKind::ALL
            .iter()
            .map(|_| {
                Ok(KindMeasure {
                    count: 0,
                    // Three digits, and an automatic upper end: little memory for short latencies.
                    latency_ns: Histogram::new(3)
                        .map_err(|error| anyhow!("making a histogram: {error:?}"))?,
                    longest_ns: 0,
                    cost: Cost::default(),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { kinds })
    }

    fn kind_mut(&mut self, kind: OperationKind) -> &mut KindMeasure {
        &mut self.kinds[kind as usize]
    }

    /// An operation took `latency_ns`.
    pub fn record(&mut self, kind: OperationKind, latency_ns: u64) {
        let measure = self.kind_mut(kind);
        measure.count += 1;
        measure.longest_ns = measure.longest_ns.max(latency_ns);
        // The bound is beyond every latency, so there is always a bucket.
        let _ = measure.latency_ns.record(latency_ns.min(LONGEST_NS));
    }

    /// An operation, or a part of it, cost this.
    pub fn charge(&mut self, kind: OperationKind, cost: Cost) {
        self.kind_mut(kind).cost.add(cost);
    }

    /// The kinds that occurred.
    pub fn kinds(&self) -> impl Iterator<Item = (OperationKind, &KindMeasure)> {
        OperationKind::ALL
            .into_iter()
            .zip(&self.kinds)
            .filter(|(_, measure)| measure.count > 0)
    }

    /// All operations.
    pub fn count(&self) -> u64 {
        self.kinds.iter().map(|measure| measure.count).sum()
    }

    /// All device I/Os.
    pub fn cost(&self) -> Cost {
        let mut total = Cost::default();
        self.kinds
            .iter()
            .for_each(|measure| total.add(measure.cost));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_kinds_is_their_index() {
        let mut measures = Measures::new().unwrap();
        for (index, kind) in OperationKind::ALL.into_iter().enumerate() {
            measures.record(kind, 1000 * (index as u64 + 1));
        }
        for (index, (kind, measure)) in measures.kinds().enumerate() {
            assert_eq!(kind, OperationKind::ALL[index]);
            assert_eq!(measure.longest_ns, 1000 * (index as u64 + 1));
        }
        assert_eq!(measures.count(), 5);
    }

    #[test]
    fn costs_add_up() {
        let mut measures = Measures::new().unwrap();
        let cost = Cost {
            reads: 2,
            pairs: 1,
            miscompares: 1,
        };
        measures.charge(OperationKind::Update, cost);
        measures.charge(OperationKind::Read, cost);
        assert_eq!(
            measures.cost(),
            Cost {
                reads: 4,
                pairs: 2,
                miscompares: 2
            }
        );
        assert_eq!(cost.ios(), 3);
        assert_eq!(measures.kinds().count(), 0, "nothing has ended yet");
    }
}
