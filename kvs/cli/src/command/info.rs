//! `info`: what the superblock says.

use rdstore::StoreInfo;
use serde::Serialize;

use crate::args::InfoArgs;
use crate::machine::MissingFile;
use crate::outcome::Outcome;
use crate::output::{print_json, print_text, render_fields, show_count};
use crate::size::show_size;
use crate::store::{open_machine, pages};

/// A store's superblock in JSON.
#[derive(Serialize)]
pub(super) struct InfoJson<'a> {
    device: &'a str,
    uuid: &'a str,
    layout_version: u16,
    generation: u64,
    page_bytes: u32,
    home_pages: u64,
    payload_bytes: u32,
    reserved_pages: u64,
    clients: u64,
}

impl<'a> From<&'a StoreInfo> for InfoJson<'a> {
    fn from(info: &'a StoreInfo) -> Self {
        Self {
            device: &info.device,
            uuid: &info.uuid,
            layout_version: info.layout_version,
            generation: info.generation,
            page_bytes: info.page_bytes,
            home_pages: info.home_pages,
            payload_bytes: info.payload_bytes,
            reserved_pages: info.reserved_pages,
            clients: info.clients,
        }
    }
}

/// The same for people.
pub(super) fn fields(info: &StoreInfo) -> Vec<(&'static str, String)> {
    vec![
        ("device", info.device.clone()),
        ("UUID", info.uuid.clone()),
        ("layout version", info.layout_version.to_string()),
        ("format generation", info.generation.to_string()),
        ("page size", show_size(info.page_bytes.into())),
        ("pages for entries", show_count(info.home_pages)),
        ("payload of a page", show_size(info.payload_bytes.into())),
        ("pages of the store itself", show_count(info.reserved_pages)),
        ("clients so far", show_count(info.clients)),
    ]
}

/// `rdstore info`
pub(super) fn run(args: &InfoArgs, json: bool) -> anyhow::Result<Outcome> {
    let machine = open_machine(&args.device, MissingFile::Refuse)?;
    let info = rdstore::info(&mut pages(&machine, 0)?)?;
    if json {
        print_json(&InfoJson::from(&info))?;
    } else {
        print_text(&render_fields(&fields(&info)))?;
    }
    Ok(Outcome::Done)
}
