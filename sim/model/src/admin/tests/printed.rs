//! What a person sees of the controllers, by the standard's names; for review.

use nvme_spec::DataStructure;

use crate::admin::{AdminConfig, identify_controller, identify_namespace};

fn print<S: DataStructure>(structure: &S) -> String {
    let mut text = format!("{}\n", S::NAME);
    for field in structure.shown_fields() {
        text += &format!("{field}\n");
    }
    text
}

#[test]
fn physical_function() {
    insta::assert_snapshot!(print(&identify_controller(0, &AdminConfig::default())));
}

#[test]
fn virtual_function_3() {
    insta::assert_snapshot!(print(&identify_controller(3, &AdminConfig::default())));
}

#[test]
fn namespace() {
    insta::assert_snapshot!(print(&identify_namespace(&AdminConfig::default())));
}

#[test]
fn controller_with_512_byte_blocks() {
    let config = AdminConfig {
        block_bytes: 512,
        ..AdminConfig::default()
    };
    insta::assert_snapshot!(print(&identify_controller(0, &config)));
}
