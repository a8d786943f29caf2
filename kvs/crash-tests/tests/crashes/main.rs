//! Crashes, deaths and faults, end to end: store, driver, host, model and an image file.

mod sigkill;
