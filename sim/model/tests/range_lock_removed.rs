//! What the range lock is for, shown by taking it out.

use nvme_conformance::DeviceOptions;
use nvme_conformance::data::pages;
use nvme_model::medium::Medium;
use nvme_model::{Model, ModelOptions};
use pcie_host::endpoint::Endpoint;

fn without_lock(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = ModelOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        ..ModelOptions::new(medium)
    };
    let mut model = Model::new(options).expect("a device");
    model.remove_range_lock();
    Box::new(model)
}

#[test]
fn pages_tear() {
    pages::pages_tear_without_the_lock(without_lock);
}
