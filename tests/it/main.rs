//! The integration tests: real gateways on free ports, real connections, real kills.

mod acceptance;
mod crash;
mod days;
mod doors;
mod edge_cases;
mod faults;
mod support;
