//! Starts the real binaries on the real backends and talks to them as clients do.
//!
//! Must not reach inside: it knows programs, environment variables, sockets and HTTP, no crate of
//! the services. Everything it makes (processes, database, queues, keys) ends with its owner.

pub mod all_in_one;
pub mod backends;
pub mod balancer;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod crowd;
pub mod events;
pub mod eventually;
pub mod load;
pub mod machine;
pub mod metrics;
pub mod narrow;
pub mod nginx;
pub mod own_redis;
pub mod partitions;
pub mod past;
pub mod process;
pub mod second_tenant;
pub mod tenants;
pub mod tls_proxy;
pub mod token;
pub mod ways;
