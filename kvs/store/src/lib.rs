//! A key-value store without servers.

pub mod page_store;
