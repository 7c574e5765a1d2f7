//! Load, replicas and violations over time, as an SVG that needs nothing else.

use std::fmt::Write as _;

use plimsoll_sim::Outcome;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 150.0;
const GAP: f64 = 40.0;
const COLOURS: [&str; 8] =
    ["#1f6f8b", "#d1495b", "#5b8c3e", "#8250a8", "#c07b1a", "#3d5a98", "#7a7a7a", "#00916e"];

/// One line of a panel: points of seconds and values.
struct Line<'a> {
    name: &'a str,
    colour: &'a str,
    dashed: bool,
    /// A count stays what it is until it changes.
    stepped: bool,
    points: Vec<(f64, f64)>,
}

/// Round steps of time, in seconds; days beyond.
const TIME_STEPS_S: [f64; 17] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
    43_200.0, 86_400.0, 172_800.0,
];

/// Three panels over the same time: arrivals per second, instances (dashed: with those on their way), and per cent of
/// requests over the limit per step.
pub(super) fn svg(runs: &[(&str, &Outcome)], step_s: f64) -> String {
    let ends = runs.iter().filter_map(|(_, run)| run.series.last());
    let end_s = ends.map(|point| point.at_s).fold(step_s, f64::max);
    let begins = runs.iter().filter_map(|(_, run)| run.series.first());
    let begin_s = begins.map(|point| point.at_s - step_s).fold(end_s - step_s, f64::min).max(0.0);
    let line = |index: usize, dashed: bool, value: &dyn Fn(&plimsoll_sim::Point) -> f64| Line {
        name: runs[index].0,
        colour: COLOURS[index % COLOURS.len()],
        dashed,
        stepped: false,
        points: runs[index].1.series.iter().map(|point| (point.at_s, value(point))).collect(),
    };
    let load = runs.first().map(|_| line(0, false, &|point| point.arrivals as f64 / step_s));
    let load: Vec<Line<'_>> =
        load.into_iter().map(|line| Line { name: "arrivals", colour: "#444", ..line }).collect();
    let mut replicas = Vec::new();
    let mut bad = Vec::new();
    for index in 0..runs.len() {
        let ready = line(index, false, &|point| f64::from(point.ready));
        let asked = line(index, true, &|point| f64::from(point.ready + point.starting));
        replicas.extend([ready, asked].map(|line| Line { stepped: true, ..line }));
        bad.push(line(index, false, &|point| match point.arrivals {
            0 => 0.0,
            arrivals => (point.over_slo as f64 / arrivals as f64 * 100.0).min(100.0),
        }));
    }
    let panels = [
        ("requests per second", load),
        ("instances (dashed: with those that start)", replicas),
        ("over the SLO, %", bad),
    ];
    let legend = GAP + 16.0 * runs.len() as f64;
    let height = legend + 3.0 * (PANEL + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (index, (name, run)) in runs.iter().enumerate() {
        let y = 20.0 + 16.0 * index as f64;
        let colour = COLOURS[index % COLOURS.len()];
        let text = format!(
            "{}: {:.2} % over the SLO, {:.2} % waited too long, {:.1} replica-hours",
            escape(name),
            run.over_slo_pct(),
            run.over_wait_pct(),
            run.replica_hours()
        );
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"12\" height=\"8\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{text}</text>",
            y - 8.0,
            LEFT + 18.0
        );
    }
    for (index, (title, lines)) in panels.iter().enumerate() {
        panel(&mut out, title, lines, legend + index as f64 * (PANEL + GAP), (begin_s, end_s));
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, title: &str, lines: &[Line<'_>], top: f64, (begin_s, end_s): (f64, f64)) {
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let step = round_step(most);
    let most = (most / step).ceil().max(1.0) * step;
    let width = WIDTH - LEFT - RIGHT;
    let x = |at_s: f64| LEFT + (at_s - begin_s) / (end_s - begin_s).max(1e-9) * width;
    let y = |value: f64| top + PANEL - value / most * PANEL;
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 8.0);
    for index in 0..=(most / step).round() as u32 {
        let value = step * f64::from(index);
        let at = y(value);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(value)
        );
    }
    let time_step_s = round_time_s(end_s - begin_s);
    let first = (begin_s / time_step_s).ceil() as u64;
    for index in first..=(end_s / time_step_s) as u64 {
        let at_s = index as f64 * time_step_s;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            x(at_s),
            top + PANEL + 15.0,
            moment(at_s as u64)
        );
    }
    for line in lines {
        let mut path = String::new();
        for &(at_s, value) in &line.points {
            let _ = match path.is_empty() {
                true => write!(path, "M{:.1} {:.1}", x(at_s), y(value)),
                false if line.stepped => write!(path, "H{:.1}V{:.1}", x(at_s), y(value)),
                false => write!(path, "L{:.1} {:.1}", x(at_s), y(value)),
            };
        }
        let dash = if line.dashed { " stroke-dasharray=\"3 3\" opacity=\"0.6\"" } else { "" };
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"{dash}><title>{}</title></path>",
            line.colour,
            escape(line.name)
        );
    }
}

/// 1, 2 or 5 times a power of ten, so that five of them reach the value or nearly do.
fn round_step(value: f64) -> f64 {
    let fifth = value.max(1e-9) / 5.0;
    let power = 10_f64.powf(fifth.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| step >= fifth * 0.999);
    step.unwrap_or(power)
}

/// Ten of them at most fill the span.
fn round_time_s(span_s: f64) -> f64 {
    let step_s = TIME_STEPS_S.into_iter().find(|&step_s| span_s / step_s <= 10.0);
    step_s.unwrap_or_else(|| (span_s / 10.0 / 86_400.0).ceil() * 86_400.0)
}

/// A round time without the parts that are zero: `1h30m`.
fn moment(seconds: u64) -> String {
    let parts =
        [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let words: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if words.is_empty() { "0".into() } else { words }
}

fn short(value: f64) -> String {
    if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!([0.5, 7.0, 11.0, 41.0, 240.0].map(round_step), [0.1, 2.0, 5.0, 10.0, 50.0]);
        assert_eq!([8.0, 3435.0, 86_400.0, 1_209_600.0].map(round_time_s), [1.0, 600.0, 10_800.0, 172_800.0]);
        assert_eq!([0, 90, 5400, 172_800].map(moment), ["0", "1m30s", "1h30m", "2d"]);
        assert_eq!(escape("a<b&c"), "a&lt;b&amp;c");
    }
}
