//! The dbackup server.
