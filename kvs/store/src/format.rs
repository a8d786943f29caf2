//! Making a store.

use crate::error::Error;
use crate::options::{FormatOptions, FormatReport};
use crate::page_store::PageStore;

/// Makes a store on `store`, erasing what is there if `options.force` says so.
///
/// # Errors
/// [`Error::StoreExists`] and [`Error::ForeignData`] without `force`; [`Error::UnfitDevice`],
/// [`Error::DeviceTooSmall`], [`Error::Option`]; [`Error::Device`].
pub fn format<P: PageStore>(store: &mut P, options: &FormatOptions) -> Result<FormatReport, Error> {
    let _ = options;
    Err(Error::NotFormatted {
        device: store.name().to_owned(),
        found: "not built yet".to_owned(),
    })
}
