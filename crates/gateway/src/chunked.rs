//! The chunked transfer coding (RFC 9112 7.1), strict: nothing that two parsers could read differently is accepted.
//!
//! Line ends are CR LF, sizes are 1 to 16 hexadecimal digits, chunk extensions are dropped, trailers are kept apart.

/// Longest chunk extension that is skipped, in bytes.
const MAX_EXTENSION_BYTES: usize = 1024;
/// Enough for any `u64`.
const MAX_SIZE_DIGITS: u32 = 16;
/// Largest trailer section, in bytes.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// An incremental decoder of one message body.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// Trailer fields as received, each line with its CR LF.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of the size.
    Size {
        size: u64,
        digits: u32,
    },
    Extension {
        size: u64,
        length: usize,
    },
    /// Before the LF that ends the size line.
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// Before a trailer line or the empty line.
    TrailerStart,
    TrailerLine,
    TrailerLf,
    /// Before the LF of the empty line.
    EndLf,
    Done,
}

const START: State = State::Size { size: 0, digits: 0 };

/// The body is not validly chunked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { state: START, trailers: Vec::new() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer fields as received; complete once the decoder is done.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Reads from `input`, appends payload to `out`, and returns how many bytes belong to this message. Stops at its end.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < input.len() {
            if let State::Data { left } = self.state {
                let rest = &input[at..];
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                out.extend_from_slice(&rest[..count]);
                at += count;
                let left = left - count as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                continue;
            }
            if self.state == State::Done {
                break;
            }
            self.state = self.step(input[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < MAX_SIZE_DIGITS => {
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
            }
            (State::Size { size, digits: 1.. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Size { size, digits: 1.. }, b';') => Ok(State::Extension { size, length: 0 }),
            (State::Extension { size, .. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { size, length }, _) if length < MAX_EXTENSION_BYTES && is_text(byte) => {
                Ok(State::Extension { size, length: length + 1 })
            }
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::TrailerStart),
            (State::SizeLf { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(START),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart | State::TrailerLine, _) if is_text(byte) => {
                self.keep(byte, State::TrailerLine)
            }
            (State::TrailerLine, b'\r') => self.keep(byte, State::TrailerLf),
            (State::TrailerLf, b'\n') => self.keep(byte, State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(BadChunk),
        }
    }

    fn keep(&mut self, byte: u8, next: State) -> Result<State, BadChunk> {
        if self.trailers.len() == MAX_TRAILER_BYTES {
            return Err(BadChunk);
        }
        self.trailers.push(byte);
        Ok(next)
    }
}

/// No control characters but the tab: a bare CR or LF is never part of a line.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Appends one chunk around the at most `most` bytes that `fill` appends; nothing when it appends nothing, since an
/// empty chunk would end the body.
pub(crate) fn encode_chunk<R>(out: &mut Vec<u8>, most: usize, fill: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // The size is known only afterwards. Room is left for that of `most`, which nearly always has as many digits.
    let start = out.len();
    let room = hex_digits(most) + 2;
    out.resize(start + room, 0);
    let result = fill(out);
    let size = out.len() - start - room;
    if size == 0 {
        out.truncate(start);
        return result;
    }
    let surplus = room.saturating_sub(hex_digits(size) + 2);
    out.drain(start..start + surplus);
    let mut at = start + room - surplus;
    for byte in [b'\n', b'\r'] {
        at -= 1;
        out[at] = byte;
    }
    let mut left = size;
    while at > start {
        at -= 1;
        out[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.extend_from_slice(b"\r\n");
    result
}

fn hex_digits(value: usize) -> usize {
    (usize::BITS - value.leading_zeros()).div_ceil(4).max(1) as usize
}

/// Appends the end of a chunked body with these trailer lines.
pub(crate) fn encode_end(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
