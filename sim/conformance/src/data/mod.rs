//! What becomes of the data: isolation, torn writes, the range lock.

pub mod far;
pub mod history;
pub mod isolation;
pub mod late;
pub mod links;
pub mod locks;
pub mod pages;
pub mod torn;
