//! The trace, from a file.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use plimsoll_sim::trace::{self, Format, Trace};

use super::{args::Reading, service_file::ServiceFile};

/// Longer files are refused: they would not fit into memory as requests.
const MAX_BYTES: u64 = 8 << 30;
/// First bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A trace and what it was read as.
pub(super) struct TraceFile {
    pub(super) trace: Trace,
    pub(super) format: Format,
}

pub(super) fn read(
    path: &Path,
    reading: &Reading,
    service: &ServiceFile,
    seed: u64,
) -> anyhow::Result<TraceFile> {
    let name = path.display();
    let file = std::fs::File::open(path)
        .map_err(|error| anyhow!("{name}: {error}. hint: give the path of a readable file"))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(|| format!("{name}"))?;
    if bytes.starts_with(&ZSTD) {
        let decoder = ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .map_err(|error| anyhow!("{name}: cannot be decompressed: {error}"))?;
        let mut plain = Vec::new();
        decoder
            .take(MAX_BYTES + 1)
            .read_to_end(&mut plain)
            .with_context(|| format!("{name}: cannot be decompressed"))?;
        bytes = plain;
    }
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{name}: more than {} GiB", MAX_BYTES >> 30);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        anyhow!("{name}:{}: not text", good.iter().filter(|&&byte| byte == b'\n').count() + 1)
    })?;
    let format = reading.format().unwrap_or_else(|| trace::detect(&text));
    let trace = trace::read(&text, format, &reading.columns(), &service.service_time, seed)
        .map_err(|error| anyhow!("{name}:{error}"))?;
    Ok(TraceFile { trace, format })
}
