//! One stream to several readers. A reader that goes away does not stop the others; the slowest sets the pace.

use crate::stream::{Interrupted, Receiver, Sender};

/// Copies `input` to every output until its end. An interrupted input interrupts every output.
///
/// # Errors
/// If the input was interrupted, or every reader is gone.
pub async fn fan_out(mut input: Receiver, outputs: Vec<Sender>) -> Result<(), Interrupted> {
    let mut outputs: Vec<Option<Sender>> = outputs.into_iter().map(Some).collect();
    while let Some(piece) = input.receive().await? {
        for output in &mut outputs {
            if let Some(sender) = output
                && sender.send(piece.clone()).await.is_err()
            {
                *output = None;
            }
        }
        if outputs.iter().all(Option::is_none) {
            return Err(Interrupted);
        }
    }
    for sender in outputs.into_iter().flatten() {
        // A reader that left this late has an error of its own to tell.
        let _ = sender.end().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::stream;

    async fn collect(mut receiver: Receiver) -> Result<Vec<u8>, Interrupted> {
        let mut all = Vec::new();
        while let Some(piece) = receiver.receive().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn one_that_leaves_does_not_stop_the_others() {
        let (sender, input) = stream::channel();
        let (left_sender, left) = stream::channel();
        let (gone_sender, gone) = stream::channel();
        drop(gone);
        let outputs = vec![gone_sender, left_sender];
        let feed = async {
            for _ in 0..20 {
                sender.send(Bytes::from_static(b"abc")).await.unwrap();
            }
            sender.end().await.unwrap();
        };
        let ((), copied, collected) = tokio::join!(feed, fan_out(input, outputs), collect(left));
        assert_eq!(copied, Ok(()));
        assert_eq!(collected.unwrap(), b"abc".repeat(20));
    }

    #[tokio::test]
    async fn an_interrupted_input_is_no_end_for_anyone() {
        let (sender, input) = stream::channel();
        let (output, reader) = stream::channel();
        sender.send(Bytes::from_static(b"abc")).await.unwrap();
        drop(sender);
        let (copied, collected) = tokio::join!(fan_out(input, vec![output]), collect(reader));
        assert_eq!(copied, Err(Interrupted));
        assert_eq!(collected, Err(Interrupted));
    }
}
