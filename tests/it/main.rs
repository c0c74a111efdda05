//! Tests of the parts as they are used: through their public interface, with real processes, files and sockets.

mod ledger;
