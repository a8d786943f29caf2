//! Every device test, on the model whose commands move their data at once.

use nvme_conformance::DeviceOptions;
use nvme_model::medium::Medium;
use nvme_model::{DataPath, Model, ModelOptions};
use pcie_host::endpoint::Endpoint;

fn model_at_once(options: &DeviceOptions) -> Box<dyn Endpoint> {
    let medium = Medium::in_memory(options.medium_bytes, options.block_bytes).expect("memory");
    let options = ModelOptions {
        virtual_functions: options.virtual_functions,
        io_queues: options.queues_per_function,
        data_path: DataPath::AtOnce,
        ..ModelOptions::new(medium)
    };
    Box::new(Model::new(options).expect("a device"))
}

nvme_conformance::suite!(model_at_once);
