//! `format`: makes an empty store.

use anyhow::anyhow;
use rdstore::{Error, FormatOptions, Prediction};
use serde::Serialize;

use super::info::{InfoJson, fields};
use crate::args::FormatArgs;
use crate::machine::MissingFile;
use crate::outcome::Outcome;
use crate::output::{print_json, print_text, render_fields, show_count};
use crate::progress::{end_pages, show_pages};
use crate::store::{open_machine, pages, random_seed};

#[derive(Serialize)]
struct PredictionJson {
    records: u64,
    entries_per_page: u32,
    fill: f64,
    reads_per_get: f64,
    overflow_share: f64,
    fits: bool,
}

impl From<Prediction> for PredictionJson {
    fn from(prediction: Prediction) -> Self {
        Self {
            records: prediction.records,
            entries_per_page: prediction.entries_per_page,
            fill: prediction.fill,
            reads_per_get: prediction.reads_per_get,
            overflow_share: prediction.overflow_share,
            fits: prediction.fits,
        }
    }
}

#[derive(Serialize)]
struct FormatJson<'a> {
    #[serde(flatten)]
    info: InfoJson<'a>,
    overwritten_pages: u64,
    prediction: Option<PredictionJson>,
}

fn prediction_fields(prediction: &Prediction) -> Vec<(&'static str, String)> {
    vec![
        ("records expected", show_count(prediction.records)),
        (
            "records a page takes",
            prediction.entries_per_page.to_string(),
        ),
        ("share of slots filled", format!("{:.3}", prediction.fill)),
        (
            "device reads a get",
            format!("{:.3}", prediction.reads_per_get),
        ),
        (
            "late insertions beside their page",
            format!("{:.3}", prediction.overflow_share),
        ),
        (
            "will fit",
            if prediction.fits {
                "yes"
            } else {
                "no: use a larger device or larger pages"
            }
            .into(),
        ),
    ]
}

/// What the library calls `force` is an option here.
fn name_the_option(error: Error) -> anyhow::Error {
    match error {
        Error::StoreExists { .. } | Error::ForeignData { .. } => {
            anyhow!("{error}. Add --force if it may be lost")
        }
        other => other.into(),
    }
}

/// `rdstore format`
pub(super) fn run(args: &FormatArgs, json: bool) -> anyhow::Result<Outcome> {
    let mut machine = open_machine(&args.device, MissingFile::Create)?;
    let options = FormatOptions {
        force: args.force,
        page_bytes: args.layout.page_size,
        expect_records: args.expect_records,
        value_bytes: args.value_size,
        seed: random_seed()?,
        known_blank: machine.is_blank(),
        progress: Some(show_pages),
        ..FormatOptions::default()
    };
    let report = rdstore::format(&mut pages(&machine, 0)?, &options);
    end_pages();
    let report = report.map_err(name_the_option)?;
    machine.keep();
    if json {
        print_json(&FormatJson {
            info: InfoJson::from(&report.info),
            overwritten_pages: report.overwritten_pages,
            prediction: report.prediction.map(PredictionJson::from),
        })?;
        return Ok(Outcome::Done);
    }
    let mut shown = fields(&report.info);
    if report.overwritten_pages > 0 {
        shown.push(("pages overwritten", show_count(report.overwritten_pages)));
    }
    let mut text = render_fields(&shown);
    if let Some(prediction) = &report.prediction {
        text.push('\n');
        text.push_str(&render_fields(&prediction_fields(prediction)));
    }
    print_text(&text)?;
    Ok(Outcome::Done)
}
