//! A destination that can do almost nothing passes the suite: no check asks for more than its capabilities.

use std::sync::Arc;

use adapter::conformance::{Meager, Subject};

async fn fresh() -> Subject {
    Subject { destination: Arc::new(Meager::default()), manifest: None, browsed: String::new(), keeps: Vec::new() }
}

adapter::destination_conformance!(fresh);
