//! The page: the unit that a Compare-and-Write replaces.

pub(crate) mod edit;
pub(crate) mod layout;
mod replace;
pub(crate) mod verify;
pub(crate) mod view;

pub(crate) use edit::{NewEntry, PageEdit};
pub(crate) use layout::{EntryState, Stamp};
pub(crate) use verify::{Content, PageContext};
pub(crate) use view::{Entry, PageView};
