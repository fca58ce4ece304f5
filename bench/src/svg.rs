//! Pictures as SVG: bars, ranges and lines with their axes, and nothing more. They need no font and
//! no renderer of ours, which is what a library of plots would bring.

use std::fmt::Write;

use crate::report::float;

const FONT: &str = "font-family=\"system-ui, sans-serif\" font-size=\"12\"";
/// One for each series, told apart by people who see colours differently.
const COLOURS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f"];
const WIDTH: f64 = 900.0;
const LABELS_WIDTH: f64 = 290.0;
/// Room for the number behind the longest bar.
const NUMBERS_WIDTH: f64 = 90.0;
const LINE_HEIGHT: f64 = 18.0;
const TOP: f64 = 60.0;

/// Values of one thing, one for each series that has it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    /// The series, counted from 0, and its value.
    pub(crate) values: Vec<(usize, f64)>,
}

/// Horizontal bars on a logarithmic axis, since costs lie powers of ten apart.
pub(crate) fn bars(title: &str, series: &[&str], groups: &[Group]) -> String {
    plot(title, series, groups, |out, scale, group, top| {
        for (line, &(index, value)) in group.values.iter().enumerate() {
            let (y, x) = (top + count(line) * LINE_HEIGHT, scale.x(value));
            rectangle(out, (LABELS_WIDTH, y), (x - LABELS_WIDTH, LINE_HEIGHT - 4.0), index);
            text(out, x + 4.0, y + 11.0, "start", &short(value));
        }
        group.values.len()
    })
}

/// A line from the least to the most of each group, with a mark for each series.
pub(crate) fn ranges(title: &str, series: &[&str], groups: &[Group]) -> String {
    plot(title, series, groups, |out, scale, group, top| {
        let y = top + LINE_HEIGHT / 2.0 - 2.0;
        let marks: Vec<f64> = group.values.iter().map(|(_, value)| scale.x(*value)).collect();
        if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
            line(out, (*first, y), (*last, y), "#999999");
        }
        for (&(index, _), x) in group.values.iter().zip(&marks) {
            circle(out, (*x, y), index);
        }
        if let Some((_, most)) = group.values.last() {
            let x = marks.last().copied().unwrap_or(LABELS_WIDTH);
            text(out, x + 9.0, y + 4.0, "start", &short(*most));
        }
        1
    })
}

/// A line for each group through its values; `series` names the points from left to right.
pub(crate) fn lines(title: &str, points: &[&str], groups: &[Group]) -> String {
    const HEIGHT: f64 = 360.0;
    let scale = Scale::of(groups, TOP + HEIGHT, TOP);
    let step = (WIDTH - LABELS_WIDTH - 40.0) / count(points.len().max(2) - 1);
    let x = |point: usize| 60.0 + count(point) * step;
    let mut out = String::new();
    text(&mut out, 10.0, 24.0, "start", title);
    for power in scale.powers() {
        let y = scale.x(power);
        line(&mut out, (60.0, y), (x(points.len().max(2) - 1), y), "#dddddd");
        text(&mut out, 54.0, y + 4.0, "end", &short(power));
    }
    for (index, point) in points.iter().enumerate() {
        text(&mut out, x(index), TOP + HEIGHT + 20.0, "middle", point);
    }
    for (index, group) in groups.iter().enumerate() {
        let colour = colour(index);
        for pair in group.values.windows(2) {
            let [(from, low), (to, high)] = pair else { continue };
            line(&mut out, (x(*from), scale.x(*low)), (x(*to), scale.x(*high)), colour);
        }
        for (point, value) in &group.values {
            circle(&mut out, (x(*point), scale.x(*value)), index);
        }
        if let Some((point, value)) = group.values.last() {
            text(&mut out, x(*point) + 8.0, scale.x(*value) + 4.0, "start", &group.label);
        }
    }
    framed(TOP + HEIGHT + 40.0, &out)
}

/// Groups under each other; `draw` draws one from a height on and says how many lines it took.
fn plot(
    title: &str,
    series: &[&str],
    groups: &[Group],
    draw: impl Fn(&mut String, &Scale, &Group, f64) -> usize,
) -> String {
    let scale = Scale::of(groups, LABELS_WIDTH, WIDTH - NUMBERS_WIDTH);
    let (mut marks, mut top) = (String::new(), TOP);
    for group in groups {
        text(&mut marks, LABELS_WIDTH - 8.0, top + 11.0, "end", &group.label);
        top += count(draw(&mut marks, &scale, group, top)) * LINE_HEIGHT + 6.0;
    }
    let mut out = String::new();
    text(&mut out, 10.0, 20.0, "start", title);
    for (index, name) in series.iter().enumerate() {
        let x = LABELS_WIDTH + count(index) * 110.0;
        rectangle(&mut out, (x, 30.0), (10.0, 10.0), index);
        text(&mut out, x + 14.0, 40.0, "start", name);
    }
    for power in scale.powers() {
        let x = scale.x(power);
        line(&mut out, (x, TOP - 6.0), (x, top), "#dddddd");
        text(&mut out, x, top + 14.0, "middle", &short(power));
    }
    framed(top + 24.0, &(out + &marks))
}

/// A logarithmic axis.
struct Scale {
    /// Powers of ten at both ends.
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// From the power of ten below the least value to the one above the most.
    fn of(groups: &[Group], from: f64, to: f64) -> Self {
        let values = || groups.iter().flat_map(|group| &group.values).map(|(_, value)| *value);
        let logs = || values().filter(|value| *value > 0.0).map(f64::log10);
        let least = logs().fold(f64::INFINITY, f64::min).floor();
        let most = logs().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (least, most) = if least.is_finite() { (least, most) } else { (0.0, 1.0) };
        Self { least, most: most.max(least + 1.0), from, to }
    }

    fn x(&self, value: f64) -> f64 {
        let part = (value.max(f64::MIN_POSITIVE).log10() - self.least) / (self.most - self.least);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn powers(&self) -> impl Iterator<Item = f64> + use<> {
        let (least, most) = (self.least as i32, self.most as i32);
        (least..=most).map(|power| 10_f64.powi(power))
    }
}

fn count(things: usize) -> f64 {
    float(things as u64)
}

fn colour(series: usize) -> &'static str {
    COLOURS.get(series % COLOURS.len()).copied().unwrap_or("black")
}

/// A number with about three digits.
fn short(value: f64) -> String {
    match value {
        large if large >= 1e6 => format!("{} M", short(large / 1e6)),
        large if large >= 1e4 => format!("{} k", short(large / 1e3)),
        whole if whole >= 100.0 || whole.fract() == 0.0 => format!("{whole:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    write(
        out,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"),
    );
}

fn rectangle(out: &mut String, at: (f64, f64), size: (f64, f64), series: usize) {
    let ((x, y), (width, height), colour) = (at, size, colour(series));
    write(
        out,
        format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{colour}\"/>\n"
        ),
    );
}

fn circle(out: &mut String, at: (f64, f64), series: usize) {
    let ((x, y), colour) = (at, colour(series));
    let marks = format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>\n");
    write(out, marks);
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    write(
        out,
        format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"2\"/>\n"
        ),
    );
}

fn framed(height: f64, marks: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" {FONT}>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{marks}</svg>\n"
    )
}

fn write(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a string takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Vec<Group> {
        let group = |label: &str, values: &[f64]| Group {
            label: label.into(),
            values: values.iter().copied().enumerate().collect(),
        };
        vec![group("a <b> & c", &[1.0, 250.0]), group("two", &[30.0])]
    }

    #[test]
    fn a_bar_is_as_long_as_its_logarithm() {
        let scale = Scale::of(&groups(), 0.0, 300.0);
        let at = |value: f64| scale.x(value).round() as i64;
        assert_eq!([1.0, 10.0, 100.0, 1_000.0, 5_000.0].map(at), [0, 100, 200, 300, 300]);
        assert_eq!(scale.powers().count(), 4);
    }

    #[test]
    fn pictures_hold_every_label_and_value() {
        for picture in [bars, ranges, lines] {
            let svg = picture("title", &["first", "second"], &groups());
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            assert!(svg.contains("a &lt;b> &amp; c") && svg.contains("title"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert!(bars("t", &["x"], &groups()).contains(">250<"));
        assert!(bars("nothing", &[], &[]).contains("nothing"));
    }

    #[test]
    fn numbers_are_short() {
        let cases =
            [(0.254, "0.25"), (12.34, "12.3"), (998_000.0, "998 k"), (1_250_000.0, "1.25 M")];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }
}
