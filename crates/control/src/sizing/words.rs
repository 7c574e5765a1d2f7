//! Sizes in words.

use plimsoll_scale::vpa::{Advice, Amounts, Because, Due, Mode, ResourceAdvice, Verdict};

use crate::view::{SizeView, SizingView};

/// One line a resource, such as `size of cpu: 2000m stated, 230m advised (180m to 400m fits): can be lowered`.
pub(super) fn lines(advice: &Advice, mode: Mode) -> Vec<String> {
    vec![line("cpu", &advice.cpu, mode, cpu), line("memory", &advice.memory, mode, memory)]
}

/// Instead of advice, while there is none.
pub(super) fn too_little(samples: u64, least: u64) -> String {
    format!("size: no advice before {least} samples of CPU, one a minute and instance; {samples} so far")
}

fn line(name: &str, advice: &ResourceAdvice, mode: Mode, amount: fn(i64) -> String) -> String {
    let stated = if advice.request == 0 { "none".to_owned() } else { amount(advice.request) };
    let (target, lower, upper) = (amount(advice.target), amount(advice.lower), amount(advice.upper));
    let verdict = verdict(advice, mode, amount);
    format!("size of {name}: {stated} stated, {target} advised ({lower} to {upper} fits): {verdict}")
}

fn verdict(advice: &ResourceAdvice, mode: Mode, amount: fn(i64) -> String) -> String {
    let target = amount(advice.target);
    match &advice.verdict {
        Verdict::OwnedByAutoscaler { metric } => format!("leave it: the metric {metric} scales on it"),
        _ if mode == Mode::Initial && advice.applies => format!("new instances get {target}"),
        _ if mode == Mode::Recreate && advice.applies => {
            format!("new instances get {target}, and others are replaced for it when they leave that range")
        }
        Verdict::Fits => "fits".to_owned(),
        Verdict::Raise if advice.request == 0 => "state it".to_owned(),
        Verdict::Raise => "raise it".to_owned(),
        Verdict::Lower => "can be lowered".to_owned(),
    }
}

/// The same for programs.
pub(super) fn view(advice: &Advice, mode: Mode) -> SizingView {
    let size = |advice: &ResourceAdvice, amount| SizeView {
        stated: (advice.request > 0).then_some(advice.request),
        target: advice.target,
        lower: advice.lower,
        upper: advice.upper,
        verdict: verdict(advice, mode, amount),
    };
    let (cpu, memory) = (size(&advice.cpu, cpu), size(&advice.memory, memory));
    SizingView { mode: format!("{mode:?}"), cpu, memory }
}

/// `cpu 230m, memory 700Mi`; what is zero is not requested.
pub(super) fn size(size: Amounts) -> String {
    let cpu = (size.cpu_milli > 0).then(|| format!("cpu {}", cpu(size.cpu_milli)));
    let memory = (size.memory_bytes > 0).then(|| format!("memory {}", memory(size.memory_bytes)));
    cpu.into_iter().chain(memory).collect::<Vec<_>>().join(", ")
}

/// Why an instance is replaced.
pub(super) fn because(due: &Due, advice: &Advice) -> String {
    let outside = |name: &str, one: &ResourceAdvice, own: i64, amount: fn(i64) -> String| {
        let out = one.applies && !(one.lower..=one.upper).contains(&own);
        let (lower, upper) = (amount(one.lower), amount(one.upper));
        out.then(|| format!("its {name} {} is outside of {lower} to {upper}", amount(own)))
    };
    match due.because {
        Because::OutsideTheRange => {
            let cpu = outside("cpu", &advice.cpu, due.requests.cpu_milli, cpu);
            let memory = outside("memory", &advice.memory, due.requests.memory_bytes, memory);
            cpu.into_iter().chain(memory).collect::<Vec<_>>().join(" and ")
        }
        Because::OutOfMemory => "it ran out of memory soon after its start".to_owned(),
        Because::Drifted => {
            "it is older than twelve hours and a tenth or more off what is advised".to_owned()
        }
    }
}

fn cpu(milli: i64) -> String {
    format!("{milli}m")
}

fn memory(bytes: i64) -> String {
    format!("{}Mi", bytes.saturating_add((1 << 20) - 1) >> 20)
}
