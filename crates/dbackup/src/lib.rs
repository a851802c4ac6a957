//! dbackup
