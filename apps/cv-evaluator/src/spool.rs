//! An upload on its way from the socket to the database: small ones stay in memory, larger ones go to an unnamed
//! temporary file, so memory per request is bounded whatever its size.

use std::io::SeekFrom;

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

/// Bytes kept in memory, and the size of the pieces handed on.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Being filled.
#[derive(Debug)]
pub struct Spool {
    head: Vec<u8>,
    file: Option<File>,
    size_bytes: u64,
    hash: Sha256,
}

/// Filled; hands its bytes on piece by piece.
#[derive(Debug)]
pub struct Spooled {
    head: Vec<u8>,
    file: Option<File>,
    size_bytes: u64,
    sha256: String,
}

// === impl Spool ===

impl Spool {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self { head: Vec::new(), file: None, size_bytes: 0, hash: Sha256::new() }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written.
    pub async fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.size_bytes += bytes.len() as u64;
        self.hash.update(bytes);
        if self.file.is_none() && self.head.len() + bytes.len() <= CHUNK_BYTES {
            self.head.extend_from_slice(bytes);
            return Ok(());
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes).await,
            empty => {
                let made = tokio::task::spawn_blocking(tempfile::tempfile)
                    .await
                    .map_err(std::io::Error::other)??;
                empty.insert(File::from_std(made)).write_all(bytes).await
            }
        }
    }

    /// The first bytes, up to [`CHUNK_BYTES`]: enough to tell the format.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Bytes so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Ends the filling.
    ///
    /// # Errors
    /// When the temporary file cannot be written or rewound.
    pub async fn finish(mut self) -> std::io::Result<Spooled> {
        if let Some(file) = &mut self.file {
            file.flush().await?;
            file.seek(SeekFrom::Start(0)).await?;
        }
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Spooled { head: self.head, file: self.file, size_bytes: self.size_bytes, sha256 })
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Spooled ===

impl Spooled {
    /// All bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// SHA-256 of all bytes, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The next piece, at most [`CHUNK_BYTES`]; None after the last.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub async fn next_chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if !self.head.is_empty() {
            return Ok(Some(std::mem::take(&mut self.head)));
        }
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn through(bytes: &[u8], step: usize) -> (Vec<u8>, usize) {
        let mut spool = Spool::new();
        for piece in bytes.chunks(step) {
            spool.push(piece).await.unwrap();
        }
        let mut spooled = spool.finish().await.unwrap();
        assert_eq!(spooled.size_bytes(), bytes.len() as u64);
        assert_eq!(spooled.sha256(), hex::encode(Sha256::digest(bytes)));
        let (mut all, mut largest) = (Vec::new(), 0);
        while let Some(chunk) = spooled.next_chunk().await.unwrap() {
            largest = largest.max(chunk.len());
            all.extend(chunk);
        }
        (all, largest)
    }

    #[tokio::test]
    async fn w33_bytes_come_out_as_they_went_in_and_in_bounded_pieces() {
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
        for (length, step) in
            [(0, 1), (1, 1), (CHUNK_BYTES, 7919), (CHUNK_BYTES + 1, CHUNK_BYTES), (1_000_003, 65_536)]
        {
            let (all, largest) = through(&bytes[..length], step).await;
            assert_eq!(all, &bytes[..length]);
            assert!(largest <= CHUNK_BYTES);
        }
    }
}
