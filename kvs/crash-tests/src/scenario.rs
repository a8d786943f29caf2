//! Every kind of operation, in a store prepared for it.
