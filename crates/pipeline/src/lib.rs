//! The streaming stages between a database and its destinations, one pass, bounded memory, no temporary file:
//!
//! ```text
//! dump ─▶ digest ─▶ compress ─▶ encrypt ─▶ digest ─▶ fan-out ─▶ destinations      (encode, fan_out)
//! dump ◀─ digest ◀─ decompress ◀─ decrypt ◀─ digest ◀─────────── destination      (decode)
//! ```
//!
//! Pieces of data travel through bounded channels ([`stream`]), so the slowest stage sets the pace. What costs CPU time runs
//! on threads of its own, never on the async runtime's.

mod aside;
pub mod decode;
pub mod digest;
pub mod encode;
pub mod fan_out;
pub mod held;
pub mod host;
pub mod keys;
pub mod private_file;
pub mod process;
pub mod progress;
pub mod secret_file;
pub mod stream;

pub use decode::{DecodeError, Decoded, Keys, decode};
pub use digest::{Digested, Digester};
pub use encode::{EncodeError, Encoded, encode};
pub use fan_out::fan_out;
pub use private_file::PrivateFile;
pub use progress::{Counter, Progress};
