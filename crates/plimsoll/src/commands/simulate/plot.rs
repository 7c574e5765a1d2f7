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
    points: Vec<(f64, f64)>,
}

/// Three panels over the same time: arrivals per second, instances (dashed: with those on their way), and per cent of
/// requests over the limit per step.
pub(super) fn svg(runs: &[(&str, &Outcome)], step_s: f64) -> String {
    let end_s =
        runs.iter().filter_map(|(_, run)| run.series.last()).map(|point| point.at_s).fold(1.0, f64::max);
    let line = |index: usize, dashed: bool, value: &dyn Fn(&plimsoll_sim::Point) -> f64| Line {
        name: runs[index].0,
        colour: COLOURS[index % COLOURS.len()],
        dashed,
        points: runs[index].1.series.iter().map(|point| (point.at_s, value(point))).collect(),
    };
    let load = runs.first().map(|_| line(0, false, &|point| point.arrivals as f64 / step_s));
    let load: Vec<Line<'_>> =
        load.into_iter().map(|line| Line { name: "arrivals", colour: "#444", ..line }).collect();
    let mut replicas = Vec::new();
    let mut bad = Vec::new();
    for index in 0..runs.len() {
        replicas.push(line(index, false, &|point| f64::from(point.ready)));
        replicas.push(line(index, true, &|point| f64::from(point.ready + point.starting)));
        bad.push(line(index, false, &|point| match point.arrivals {
            0 => 0.0,
            arrivals => (point.over_slo as f64 / arrivals as f64 * 100.0).min(100.0),
        }));
    }
    let panels = [("requests per second", load), ("instances", replicas), ("over the SLO, %", bad)];
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
        panel(&mut out, title, lines, legend + index as f64 * (PANEL + GAP), end_s);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, title: &str, lines: &[Line<'_>], top: f64, end_s: f64) {
    let most = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let most = nice(most);
    let width = WIDTH - LEFT - RIGHT;
    let x = |at_s: f64| LEFT + at_s / end_s * width;
    let y = |value: f64| top + PANEL - value / most * PANEL;
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 6.0);
    for quarter in 0..=4 {
        let value = most * f64::from(quarter) / 4.0;
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
    for tenth in 0..=10 {
        let at_s = end_s * f64::from(tenth) / 10.0;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            x(at_s),
            top + PANEL + 15.0,
            crate::units::age(at_s as u64)
        );
    }
    for line in lines {
        let mut path = String::new();
        for &(at_s, value) in &line.points {
            let _ = write!(path, "{}{:.1} {:.1}", if path.is_empty() { 'M' } else { 'L' }, x(at_s), y(value));
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

/// The next of 1, 2, 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&nice| nice >= value)
        .unwrap_or(1.0)
        .max(1.0)
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
    fn axes_end_at_round_numbers() {
        assert_eq!([nice(0.0), nice(7.0), nice(11.0), nice(240.0)], [1.0, 10.0, 20.0, 500.0]);
        assert_eq!(escape("a<b&c"), "a&lt;b&amp;c");
    }
}
