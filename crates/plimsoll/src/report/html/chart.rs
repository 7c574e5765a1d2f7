//! Three drawings: instances, traffic, and how long the oldest job waited. A stretch that was not measured is a gap in the line.

use std::fmt::Write as _;

use super::{Report, escape, phrases};
use crate::report::Point;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 20.0;
/// Colours of the style sheet.
const COLOURS: usize = 5;

/// A drawing with its title.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) svg: String,
}

/// A line in a drawing.
struct Line {
    name: String,
    of: Box<dyn Fn(&Point) -> f64>,
}

/// The drawings that have something to show.
pub(super) fn all(report: &Report) -> Vec<Chart> {
    if report.course.len() < 2 {
        return Vec::new();
    }
    let running = report.services.iter().enumerate().map(|(index, service)| Line {
        name: service.name.clone(),
        of: Box::new(move |point: &Point| point.running.get(index).copied().unwrap_or(0.0)),
    });
    let mut charts = vec![chart("Instances with a process", running.collect(), &report.course)];
    let mut flow = Vec::new();
    if report.services.iter().any(|service| service.http.is_some()) {
        flow.push(Line { name: "requests a second".to_owned(), of: Box::new(|point| point.requests_per_s) });
    }
    if !report.queues.is_empty() {
        flow.push(Line {
            name: "jobs completed a second".to_owned(),
            of: Box::new(|point| point.completed_per_s),
        });
    }
    if !flow.is_empty() {
        charts.push(chart("Traffic", flow, &report.course));
    }
    if !report.queues.is_empty() {
        let line = Line { name: "longest wait in seconds".to_owned(), of: Box::new(|point| point.oldest_s) };
        charts.push(chart("How long the oldest job waited", vec![line], &report.course));
    }
    charts
}

fn chart(title: &str, lines: Vec<Line>, course: &[Point]) -> Chart {
    let (first, last) = (course[0].at_ms, course[course.len() - 1].at_ms.max(course[0].at_ms + 1));
    // Points are slices of one length; where one is missing nothing was measured.
    let steps = course.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms);
    let step = steps.min().unwrap_or(1);
    let most = lines.iter().flat_map(|line| course.iter().map(|point| (line.of)(point))).fold(0.0, f64::max);
    let top = nice(most);
    let x = |at_ms: u64| LEFT + (at_ms - first) as f64 / (last - first) as f64 * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(title));
    for value in [0.0, top / 2.0, top] {
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"var(--rule)\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            WIDTH - RIGHT,
            y(value),
            LEFT - 6.0,
            y(value) + 4.0,
            number(value)
        );
    }
    for (at, anchor, position) in [(first, "start", LEFT), (last, "end", WIDTH - RIGHT)] {
        let _ = write!(
            svg,
            "<text x=\"{position}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 5.0,
            phrases::at(at)
        );
    }
    let mut legend = LEFT;
    for (index, line) in lines.iter().enumerate() {
        let colour = format!("var(--c{})", index % COLOURS);
        let mut path = String::new();
        let mut before: Option<u64> = None;
        for point in course {
            let joined = before.is_some_and(|before| point.at_ms - before <= step);
            let pen = if joined { 'L' } else { 'M' };
            let _ = write!(path, "{pen}{:.1} {:.1}", x(point.at_ms), y((line.of)(point)));
            before = Some(point.at_ms);
        }
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/><rect x=\"{legend}\" y=\"8\" width=\"10\" height=\"3\" fill=\"{colour}\"/><text x=\"{}\" y=\"13\">{}</text>",
            legend + 15.0,
            escape(&line.name)
        );
        legend += 40.0 + 6.5 * line.name.chars().count() as f64;
    }
    svg.push_str("</svg>");
    Chart { title: title.to_owned(), svg }
}

/// The next of 1, 2, 5 times a power of ten, so that the axis ends at a round number.
fn nice(most: f64) -> f64 {
    if most <= 0.0 || !most.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    steps.iter().map(|step| step * power).find(|top| *top >= most).unwrap_or(10.0 * power)
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
