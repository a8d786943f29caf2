//! The driver against a controller without time that can also misbehave.

mod bogus_completions;
mod bring_up;
mod commands;
mod events;
mod functions;
mod pairs;
mod prp_shapes;
mod queue_limits;
mod random_mix;
mod reactor;
mod recovery;
mod rig;
