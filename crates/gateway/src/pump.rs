//! Moves one message body from one connection to another, as it comes and never ahead of the reader.
//!
//! At most one read buffer and one encoded chunk are in memory, so a slow reader slows the sender down. Bytes that are
//! there are written before more are read: a server-sent event reaches the client before the next one exists.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::buffer::Buffer;
use crate::chunked::{self, Decoder};
use crate::request::Framing;
use crate::response::append_trailers;

/// Up to this size a copy behind the head is cheaper than a vectored write.
const SMALL_BODY_BYTES: usize = 2 * 1024;

/// One direction of one exchange.
#[derive(Debug)]
pub(crate) struct Pump {
    source: Source,
    is_sink_chunked: bool,
    /// What is to be written next: the head of the message, then encoded chunks.
    out: Vec<u8>,
    written: usize,
    /// Payload that may still be taken from the source.
    allowance: u64,
    /// Nothing of the head has been written and nothing added to it.
    is_head_alone: bool,
    has_written: bool,
    has_taken_body: bool,
    /// Bytes read or written since somebody last asked.
    has_moved: bool,
}

#[derive(Debug)]
enum Source {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Done,
}

/// Why a body did not arrive.
#[derive(Debug)]
pub(crate) enum PumpError {
    /// The sender's connection broke or ended inside the body.
    Source,
    /// The receiver's connection broke.
    Sink,
    /// The body is not validly chunked.
    Malformed,
    /// The body is larger than allowed.
    TooLarge,
}

// === impl Pump ===

impl Pump {
    /// Writes `head`, then the body framed as `source` says, framed for the receiver as `sink` says.
    pub(crate) fn new(head: Vec<u8>, source: Framing, sink: Framing, allowance: u64) -> Self {
        let source = match source {
            Framing::Empty => Source::Done,
            Framing::Length(length) => Source::Length(length),
            Framing::Chunked => Source::Chunked(Decoder::new()),
            Framing::UntilClose => Source::UntilClose,
        };
        let is_sink_chunked = sink == Framing::Chunked;
        Self {
            source,
            is_sink_chunked,
            out: head,
            written: 0,
            allowance,
            is_head_alone: true,
            has_written: false,
            has_taken_body: false,
            has_moved: false,
        }
    }

    /// Has a byte moved since the last call?
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// The receiver may have seen something.
    pub(crate) fn has_written(&self) -> bool {
        self.has_written
    }

    /// Something of the body is gone from the read buffer: the message cannot be sent again.
    pub(crate) fn has_taken_body(&self) -> bool {
        self.has_taken_body
    }

    /// The receiver is the one who has to move now.
    pub(crate) fn waits_for_receiver(&self, buffer: &Buffer) -> bool {
        self.written < self.out.len() || !self.raw(buffer).is_empty()
    }

    /// Gives the allocation of the head back.
    pub(crate) fn into_head(self) -> Vec<u8> {
        self.out
    }

    /// Moves what can be moved; ready when all is.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut ReadHalf<'_>,
        buffer: &mut Buffer,
        writer: &mut WriteHalf<'_>,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            self.encode(buffer)?;
            let raw = self.raw(buffer).len();
            if self.written < self.out.len() || raw > 0 {
                let written = ready!(self.poll_write(context, buffer, writer))?;
                let of_head = written.min(self.out.len() - self.written);
                self.written += of_head;
                self.has_written = true;
                self.is_head_alone = false;
                self.consume_raw(buffer, written - of_head)?;
                self.has_moved = true;
                continue;
            }
            if matches!(self.source, Source::Done) {
                return Poll::Ready(Ok(()));
            }
            let count = ready!(poll_fill(context, reader, buffer)).map_err(|_| PumpError::Source)?;
            if count == 0 {
                match self.source {
                    Source::UntilClose => self.end(&[]),
                    _ => return Poll::Ready(Err(PumpError::Source)),
                }
            }
            self.has_moved = true;
        }
    }

    /// Received bytes that can be written as they are.
    fn raw<'b>(&self, buffer: &'b Buffer) -> &'b [u8] {
        let filled = buffer.filled();
        match self.source {
            Source::Length(left) => &filled[..filled.len().min(usize::try_from(left).unwrap_or(usize::MAX))],
            Source::UntilClose if !self.is_sink_chunked => filled,
            _ => &[],
        }
    }

    fn consume_raw(&mut self, buffer: &mut Buffer, count: usize) -> Result<(), PumpError> {
        if count == 0 {
            return Ok(());
        }
        buffer.consume(count);
        self.has_taken_body = true;
        self.spend(count)?;
        if let Source::Length(left) = &mut self.source {
            *left -= count as u64;
            if *left == 0 {
                self.source = Source::Done;
            }
        }
        Ok(())
    }

    /// Turns received bytes that cannot be written as they are into `out`: when all of it has been written, or once
    /// behind the head, so that the first of the body goes out with it.
    fn encode(&mut self, buffer: &mut Buffer) -> Result<(), PumpError> {
        let needs_encoding = match &self.source {
            Source::Chunked(_) => true,
            Source::UntilClose => self.is_sink_chunked,
            Source::Length(_) | Source::Done => false,
        };
        let has_room = self.is_head_alone || self.written == self.out.len();
        if !needs_encoding || !has_room || buffer.is_empty() {
            return Ok(());
        }
        self.make_room();
        let filled = buffer.filled();
        let source = &mut self.source;
        let mut payload = 0;
        let mut fill = |out: &mut Vec<u8>| {
            let before = out.len();
            let consumed = match source {
                Source::Chunked(decoder) => decoder.decode(filled, out).map_err(|_| PumpError::Malformed)?,
                _ => {
                    out.extend_from_slice(filled);
                    filled.len()
                }
            };
            payload = out.len() - before;
            Ok(consumed)
        };
        let consumed = if self.is_sink_chunked {
            chunked::encode_chunk(&mut self.out, filled.len(), fill)?
        } else {
            fill(&mut self.out)?
        };
        buffer.consume(consumed);
        self.has_taken_body = true;
        self.spend(payload)?;
        if let Source::Chunked(decoder) = &self.source
            && decoder.is_done()
        {
            let mut trailers = Vec::new();
            append_trailers(decoder.trailers(), &mut trailers);
            self.end(&trailers);
        }
        Ok(())
    }

    /// Forgets what was written.
    fn make_room(&mut self) {
        self.is_head_alone = false;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    fn end(&mut self, trailers: &[u8]) {
        self.source = Source::Done;
        self.make_room();
        if self.is_sink_chunked {
            chunked::encode_end(&mut self.out, trailers);
        }
    }

    fn spend(&mut self, count: usize) -> Result<(), PumpError> {
        self.allowance = self.allowance.checked_sub(count as u64).ok_or(PumpError::TooLarge)?;
        Ok(())
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        buffer: &Buffer,
        writer: &mut WriteHalf<'_>,
    ) -> Poll<Result<usize, PumpError>> {
        let writer = Pin::new(writer);
        let raw = self.raw(buffer);
        let head_end = self.out.len();
        let result = if self.written == head_end {
            writer.poll_write(context, raw)
        } else if raw.len() <= SMALL_BODY_BYTES {
            self.out.extend_from_slice(raw);
            let result = writer.poll_write(context, &self.out[self.written..]);
            self.out.truncate(head_end);
            result
        } else {
            let head = &self.out[self.written..];
            writer.poll_write_vectored(context, &[IoSlice::new(head), IoSlice::new(raw)])
        };
        match ready!(result) {
            Ok(0) | Err(_) => Poll::Ready(Err(PumpError::Sink)),
            Ok(count) => Poll::Ready(Ok(count)),
        }
    }
}

/// Reads once into the buffer, which must have room.
pub(crate) fn poll_fill(
    context: &mut Context<'_>,
    reader: &mut ReadHalf<'_>,
    buffer: &mut Buffer,
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(buffer.room());
    ready!(Pin::new(reader).poll_read(context, &mut room))?;
    let count = room.filled().len();
    buffer.received(count);
    Poll::Ready(Ok(count))
}
