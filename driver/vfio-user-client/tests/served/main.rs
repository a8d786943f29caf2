//! The client against a peer that answers by a plan: what goes over the wire, and what happens when the
//! peer does not do as it should. A whole NVMe controller behind the socket is the server's to test.

mod faults;
mod peer;
mod traffic;
