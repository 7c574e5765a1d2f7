//! The traces of the comparison, from a directory that is not part of the project.

use std::io::Read;
use std::path::Path;

use plimsoll_sim::trace::{self, Columns, Format, ServiceTime, Trace};
use plimsoll_sim::workload::{ArrivalProcess, RateStep, Rates, replicate};
use plimsoll_sim::{Delay, Request, Workload};

/// A trace and how it is simulated.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) requests: Vec<Request>,
    /// How often our policies look, in seconds: traces of slow rates need no look a second.
    pub(crate) look_s: f64,
    pub(crate) startups_s: &'static [f64],
}

const ALL: &[f64] = &[10.0, 60.0, 120.0];
const ONE: &[f64] = &[60.0];
const DAY_S: f64 = 86_400.0;

/// Every trace that is wanted and there.
pub(crate) fn load(directory: &Path, wanted: &str) -> std::io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    let is_there = |name: &str, file: &str| {
        let packed = format!("{file}.zst");
        name.contains(wanted) && [file, &packed].iter().any(|file| directory.join(file).is_file())
    };
    for (name, file) in [("azure code", "azure_llm_2023_code.csv"), ("azure conv", "azure_llm_2023_conv.csv")]
    {
        if is_there(name, file) {
            let requests = tokens(&text(directory, file)?, Format::Csv);
            let all = replicate(&requests, 10, 1.0, 7);
            cases.push(Case { name: format!("{name} x1"), requests, look_s: 1.0, startups_s: ALL });
            cases.push(Case { name: format!("{name} x10"), requests: all, look_s: 1.0, startups_s: ALL });
        }
    }
    if is_there("mooncake", "mooncake_synthetic.jsonl") {
        let requests = tokens(&text(directory, "mooncake_synthetic.jsonl")?, Format::Jsonl);
        cases.push(Case { name: "mooncake".into(), requests, look_s: 1.0, startups_s: ALL });
    }
    if is_there("m-large", "servegen_m-large_10min.csv") {
        let steps = rates(&text(directory, "servegen_m-large_10min.csv")?);
        let steps = steps.into_iter().map(|step| RateStep { per_s: step.per_s / 20.0, ..step }).collect();
        let requests = drawn(steps, 2.0 * DAY_S, 3.0);
        cases.push(Case { name: "m-large /20".into(), requests, look_s: 5.0, startups_s: ALL });
    }
    if is_there("crane", "crane_dsp_0-7.tar") {
        for (name, text) in tar(&bytes(directory, "crane_dsp_0-7.tar")?) {
            let steps = rates(&text);
            let within: Vec<f64> =
                steps.iter().filter(|step| step.from_s < 2.0 * DAY_S).map(|step| step.per_s).collect();
            // In units of its mean: 32 busy slots, four instances.
            let mean = within.iter().sum::<f64>() / within.len() as f64;
            let steps =
                steps.into_iter().map(|step| RateStep { per_s: step.per_s / mean * 6.4, ..step }).collect();
            let requests = drawn(steps, 2.0 * DAY_S, 5.0);
            let name = name.trim_start_matches("input").trim_end_matches(".csv");
            cases.push(Case { name: format!("crane {name}"), requests, look_s: 5.0, startups_s: ONE });
        }
    }
    Ok(cases)
}

/// 0.3 s to the first token and 20 ms for each one.
fn tokens(text: &str, format: Format) -> Vec<Request> {
    let service = ServiceTime::Tokens { ttft_s: 0.3, s_per_input_token: 0.0, s_per_output_token: 0.02 };
    match trace::read(text, format, &Columns::default(), &service, 1) {
        Ok(Trace::Requests(requests)) => requests,
        other => panic!("not a trace of requests: {:?}", other.err()),
    }
}

fn rates(text: &str) -> Vec<RateStep> {
    let service = ServiceTime::Drawn { delay: Delay::Fixed { s: 1.0 } };
    match trace::read(text, Format::Csv, &Columns::default(), &service, 1) {
        Ok(Trace::Rates(steps, _)) => steps,
        other => panic!("not a trace of rates: {:?}", other.err()),
    }
}

/// Poisson arrivals, exponential service.
fn drawn(steps: Vec<RateStep>, until_s: f64, mean_s: f64) -> Vec<Request> {
    let steps = steps.into_iter().filter(|step| step.from_s < until_s).collect();
    let mut rates = Rates::new(steps, until_s, ArrivalProcess::Poisson, Delay::Exponential { mean_s }, 5);
    std::iter::from_fn(|| rates.next_request()).collect()
}

/// A file, or its compressed form.
fn bytes(directory: &Path, file: &str) -> std::io::Result<Vec<u8>> {
    if let Ok(plain) = std::fs::read(directory.join(file)) {
        return Ok(plain);
    }
    let packed = std::fs::File::open(directory.join(format!("{file}.zst")))?;
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(std::io::Error::other)?;
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain)?;
    Ok(plain)
}

fn text(directory: &Path, file: &str) -> std::io::Result<String> {
    String::from_utf8(bytes(directory, file)?).map_err(std::io::Error::other)
}

/// Names and contents of a tar archive of plain files: blocks of 512 bytes, size in octal digits at 124.
fn tar(archive: &[u8]) -> Vec<(String, String)> {
    let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = archive.get(at..at + 512).filter(|header| header[0] != 0) {
        let size = usize::from_str_radix(&word(&header[124..136]), 8).unwrap_or(0);
        let Some(content) = archive.get(at + 512..at + 512 + size) else { break };
        files.push((word(&header[..100]), String::from_utf8_lossy(content).into_owned()));
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}
