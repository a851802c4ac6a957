//! A bounded channel of bytes whose end is said, not guessed: a sender that vanishes is an interruption, never an end.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Stages pass pieces of about this many bytes.
pub const PIECE_SIZE: usize = 256 * 1024;
/// So many pieces wait between two stages at most.
const DEPTH: usize = 8;

enum Message {
    Piece(Bytes),
    End,
}

/// The writing side.
#[derive(Debug)]
pub struct Sender(mpsc::Sender<Message>);

/// The reading side.
#[derive(Debug)]
pub struct Receiver {
    channel: mpsc::Receiver<Message>,
    ended: bool,
}

/// The other side went away before the stream's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream was interrupted")]
pub struct Interrupted;

/// Makes a stream.
pub fn channel() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    (Sender(sender), Receiver { channel: receiver, ended: false })
}

impl Sender {
    /// Passes a piece on, waiting while the stream is full.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub async fn send(&self, piece: Bytes) -> Result<(), Interrupted> {
        self.0.send(Message::Piece(piece)).await.map_err(|_| Interrupted)
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub async fn end(self) -> Result<(), Interrupted> {
        self.0.send(Message::End).await.map_err(|_| Interrupted)
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// [`Self::send`] for threads outside the runtime.
    pub fn blocking_send(&self, piece: Bytes) -> Result<(), Interrupted> {
        self.0.blocking_send(Message::Piece(piece)).map_err(|_| Interrupted)
    }

    /// [`Self::end`] for threads outside the runtime.
    pub fn blocking_end(self) -> Result<(), Interrupted> {
        self.0.blocking_send(Message::End).map_err(|_| Interrupted)
    }
}

impl Receiver {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// If the sender went away without saying that this was all.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Interrupted> {
        if self.ended {
            return Ok(None);
        }
        let message = self.channel.recv().await;
        self.take(message)
    }

    /// [`Self::receive`] for threads outside the runtime.
    pub fn blocking_receive(&mut self) -> Result<Option<Bytes>, Interrupted> {
        if self.ended {
            return Ok(None);
        }
        let message = self.channel.blocking_recv();
        self.take(message)
    }

    fn take(&mut self, message: Option<Message>) -> Result<Option<Bytes>, Interrupted> {
        match message {
            Some(Message::Piece(piece)) => Ok(Some(piece)),
            Some(Message::End) => {
                self.ended = true;
                Ok(None)
            }
            None => Err(Interrupted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_is_an_end_and_a_loss_is_not() {
        let (sender, mut receiver) = channel();
        sender.send(Bytes::from_static(b"a")).await.unwrap();
        sender.end().await.unwrap();
        assert_eq!(receiver.receive().await, Ok(Some(Bytes::from_static(b"a"))));
        assert_eq!(receiver.receive().await, Ok(None));
        assert_eq!(receiver.receive().await, Ok(None));

        let (sender, mut receiver) = channel();
        drop(sender);
        assert_eq!(receiver.receive().await, Err(Interrupted));
    }
}
