//! What `rdstore ycsb` prints.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::history::History;
use super::measure::Measures;
use super::workload::Workload;
use crate::output::{Table, show_count};

/// One kind of operation.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KindReport {
    /// Operations that ended.
    pub count: u64,
    /// Median latency: of simulated time, or real where the device is not simulated in process.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Longest latency.
    pub max_us: f64,
    /// Device I/Os an operation; a Compare-and-Write is one.
    pub device_ios_per_op: f64,
    /// Compare-and-Writes that found the page changed.
    pub miscompares: u64,
}

/// The kinds that occurred, by name.
#[derive(Clone, Debug)]
pub struct Kinds(pub Vec<(&'static str, KindReport)>);

impl Serialize for Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, report) in &self.0 {
            map.serialize_entry(name, report)?;
        }
        map.end()
    }
}

/// What the history check found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct VerifyReport {
    /// Acknowledged writes that are not there.
    pub lost_updates: u64,
    /// Reads that returned less than had been acknowledged before they began.
    pub stale_reads: u64,
}

impl VerifyReport {
    /// What `history` has counted.
    pub fn of(history: &History) -> Self {
        Self {
            lost_updates: history.lost_updates(),
            stale_reads: history.stale_reads(),
        }
    }

    /// Nothing wrong.
    pub fn is_clean(&self) -> bool {
        self.lost_updates == 0 && self.stale_reads == 0
    }
}

/// One workload.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WorkloadReport {
    /// Its letter.
    pub workload: &'static str,
    /// Clients.
    pub clients: u16,
    /// Seed.
    pub seed: u64,
    /// Share of the pages' payload bytes in use at the end, 0–1.
    pub fill: f64,
    /// What each kind of operation did.
    pub ops: Kinds,
    /// Simulated time of the run phase; none of a device in real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated_s: Option<f64>,
    /// Wall-clock time of the run phase.
    pub wall_s: f64,
    /// Operations a second of wall clock.
    pub wall_ops_per_s: f64,
    /// The history check, with --verify.
    pub verify: Option<VerifyReport>,
}

impl Kinds {
    /// What was measured.
    pub fn of(measures: &Measures) -> Self {
        let us = |ns: u64| ns as f64 / 1000.0;
        Self(
            measures
                .kinds()
                .map(|(kind, measure)| {
                    // The histogram keeps three digits and gives the upper end of a bucket; the
                    // longest latency is known exactly and bounds the rest.
                    let quantile = |q| {
                        us(measure
                            .latency_ns
                            .value_at_quantile(q)
                            .min(measure.longest_ns))
                    };
                    let report = KindReport {
                        count: measure.count,
                        p50_us: quantile(0.5),
                        p99_us: quantile(0.99),
                        max_us: us(measure.longest_ns),
                        device_ios_per_op: measure.cost.ios() as f64 / measure.count as f64,
                        miscompares: measure.cost.miscompares,
                    };
                    (kind.name(), report)
                })
                .collect(),
        )
    }
}

/// The table for people.
pub fn render(reports: &[WorkloadReport]) -> String {
    let simulated = reports.iter().any(|report| report.simulated_s.is_some());
    let mut columns = vec![
        "workload",
        "operation",
        "count",
        "p50 µs",
        "p99 µs",
        "max µs",
        "device I/Os",
        "miscompares",
        "fill",
    ];
    if simulated {
        columns.push("simulated kop/s");
    }
    columns.push(if simulated { "wall kop/s" } else { "kop/s" });
    let mut table = Table::new(&columns);
    for report in reports {
        let operations: u64 = report.ops.0.iter().map(|(_, kind)| kind.count).sum();
        for (row, (name, kind)) in report.ops.0.iter().enumerate() {
            let mut cells = vec![
                if row == 0 {
                    report.workload.to_owned()
                } else {
                    String::new()
                },
                (*name).to_owned(),
                show_count(kind.count),
                format!("{:.2}", kind.p50_us),
                format!("{:.2}", kind.p99_us),
                format!("{:.2}", kind.max_us),
                format!("{:.3}", kind.device_ios_per_op),
                show_count(kind.miscompares),
            ];
            if row == 0 {
                cells.push(format!("{:.3}", report.fill));
                if let Some(simulated_s) = report.simulated_s {
                    cells.push(format!("{:.1}", operations as f64 / simulated_s / 1000.0));
                }
                cells.push(format!("{:.1}", report.wall_ops_per_s / 1000.0));
            }
            table.row(cells);
        }
    }
    let mut text = table.render();
    text.push_str(if simulated {
        "\nLatencies are simulated time."
    } else {
        "\nLatencies are real time, from the submission to the result as its client sees it."
    });
    text.push_str(
        " Device I/Os an operation; a Compare-and-Write is one; the sum equals the device's counters \
         (log page C0h).\n",
    );
    if reports
        .iter()
        .any(|report| report.workload == Workload::E.name())
    {
        text.push_str(
            "Workload e: the store has no order of keys; a scan reads on in the store's own order.\n",
        );
    }
    let verified: Vec<VerifyReport> = reports.iter().filter_map(|report| report.verify).collect();
    if !verified.is_empty() {
        let lost: u64 = verified.iter().map(|verify| verify.lost_updates).sum();
        let stale: u64 = verified.iter().map(|verify| verify.stale_reads).sum();
        text.push_str(&format!(
            "Verified: {lost} lost updates, {stale} stale reads.\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ycsb::fleet::Cost;
    use crate::ycsb::workload::OperationKind;

    #[test]
    fn the_json_has_the_promised_fields_in_order() {
        let mut measures = Measures::new().unwrap();
        measures.record(OperationKind::Read, 3000);
        measures.record(OperationKind::ReadModifyWrite, 9000);
        let cost = Cost {
            reads: 2,
            pairs: 1,
            miscompares: 0,
        };
        measures.charge(OperationKind::ReadModifyWrite, cost);
        let report = WorkloadReport {
            workload: "f",
            clients: 4,
            seed: 1,
            fill: 0.5,
            ops: Kinds::of(&measures),
            simulated_s: Some(0.25),
            wall_s: 0.5,
            wall_ops_per_s: 4.0,
            verify: None,
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            "{\"workload\":\"f\",\"clients\":4,\"seed\":1,\"fill\":0.5,\"ops\":{\
             \"read\":{\"count\":1,\"p50_us\":3.0,\"p99_us\":3.0,\"max_us\":3.0,\
             \"device_ios_per_op\":0.0,\"miscompares\":0},\
             \"read_modify_write\":{\"count\":1,\"p50_us\":9.0,\"p99_us\":9.0,\"max_us\":9.0,\
             \"device_ios_per_op\":3.0,\"miscompares\":0}},\
             \"simulated_s\":0.25,\"wall_s\":0.5,\"wall_ops_per_s\":4.0,\"verify\":null}"
        );
    }
}
