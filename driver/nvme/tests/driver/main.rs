//! The driver against a controller without time that can also misbehave.

mod aborts;
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
mod removal;
mod resets;
mod rig;
