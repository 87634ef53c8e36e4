//! The real binaries on the real backends, one module for each thing that they must do together, and the rules that the
//! source files keep (`house`). `cargo test -p e2e --test e2e restore::` runs one module.
//!
//! All modules are one program, so that the harness is compiled and linked once. libtest runs as many tests at once as
//! there are cores, in the order of their names. A test may change nothing of the process that another one sees: no
//! environment variables, no working folder, no signal handlers. One that measures memory or the time of answers, or that
//! uses up the machine, begins with `e2e::machine::alone()`; all others share the machine without saying so.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]
#![expect(clippy::large_futures, reason = "a test holds many devices, and is run once")]

mod acts;
mod all_in_one;
mod attack;
mod authorities;
mod bad_frames;
mod balance;
mod broadcast;
mod calls;
mod changes;
mod channels;
mod cluster;
mod conformance;
mod dead_letters;
mod delivery;
mod disk_errors;
mod events;
mod explain;
mod explain_cluster;
mod following;
mod forwarding;
mod hangup;
mod house;
mod keys;
mod kinds;
mod limits;
mod lists;
mod lost_dependencies;
mod memory;
mod memory_at_once;
mod metrics;
mod mistakes_at_start;
mod moderators;
mod moments;
mod monitor;
mod nginx;
mod notices;
mod odd_values;
mod offline_push;
mod operators;
mod own;
mod pins;
mod presence_heals;
mod rebalancing;
mod restore;
mod rolling_restart;
mod sessions;
mod strangers;
mod tenants;
mod tls;
mod trace;
mod upgraded;
mod weak_networks;
mod zombie_gateway;
