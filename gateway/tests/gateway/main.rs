//! The real gateway on real sockets of loopback, over the in-process bus and services that the test
//! plays. What it does is seen from outside: by its clients, its bus, its services and its metrics.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod acts;
mod admission;
mod allowed;
mod away;
mod backpressure;
mod balance;
mod batches;
mod broadcasts;
mod channels;
mod device;
mod drain;
mod edge;
mod encodings;
mod ended;
mod event_streams;
mod frames;
mod heartbeat;
mod ids;
mod invisible;
mod limits;
mod memory;
mod networks;
mod openings;
mod panics;
mod public;
mod pushes;
mod rates;
mod rest;
mod sends;
mod services;
mod sessions;
mod signals;
mod slow;
mod switch;
mod switched_bus;
mod syncs;
mod tenants;
mod tokens;
mod welcome;
