//! One plot: lines over an x axis, drawn as SVG that is text for those who cannot see it, too.
//!
//! ```text
//! figcaption  title, what it shows, legend
//! svg         y label
//!                names of the phases
//!             |  grid, shades, lines          (x from LEFT to width - RIGHT, y from TOP to HEIGHT - BOTTOM)
//!             +--------------------- x label
//! ```
//!
//! Invariants: colours are never the only difference between lines (dashes differ as well); styles live in `style.css`,
//! so one picture serves light and dark; every text goes through [`escape`].

use std::fmt::Write as _;

use super::axis::{Axis, Layout, Writing};
use super::escape::escape;

const HEIGHT: f64 = 284.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 42.0;
/// Room that a character takes, for deciding whether a text fits.
const CHARACTER: f64 = 7.4;
/// More points than pixels show nothing; neighbours are then drawn as one, by their greatest.
const POINTS_MAX: usize = 1500;

const SECONDS: &str = "seconds since the start";

/// How wide a plot is drawn, in pixels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Whole,
    Half,
    Third,
}

/// How a line is drawn; `style.css` has a class for each number.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    /// 0 to 7.
    pub colour: usize,
    /// 0 (solid) to 3.
    pub dash: usize,
    /// `None` leaves a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch of the x axis with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Shade {
    pub name: String,
    pub from: f64,
    pub to: f64,
    /// Whether to set it off from the others.
    pub strong: bool,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub title: String,
    pub about: String,
    pub x_label: String,
    pub y_label: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    /// Places of two lines, between which the area is filled.
    pub fill: Option<(usize, usize)>,
    pub shades: Vec<Shade>,
    pub size: Size,
}

impl Size {
    fn width(self) -> f64 {
        match self {
            Self::Whole => 1080.0,
            Self::Half => 528.0,
            Self::Third => 344.0,
        }
    }
}

impl Chart {
    /// Over seconds; axes fit the lines.
    pub fn over_time(title: &str, about: &str, y_label: &str, y: (Layout, Writing), lines: Vec<Line>) -> Self {
        let points = || lines.iter().flat_map(|line| line.points.iter());
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            x_label: SECONDS.to_owned(),
            y_label: y_label.to_owned(),
            x: Axis::over(Layout::Linear, Writing::Number, points().map(|point| point.0 / 1.04)),
            y: Axis::over(y.0, y.1, points().filter_map(|point| point.1)),
            lines,
            fill: None,
            shades: Vec::new(),
            size: Size::Half,
        }
    }

    /// The figure. `id` is unique on the page.
    pub fn draw(&self, id: &str) -> String {
        let width = self.size.width();
        let mut svg = String::new();
        self.draw_shades(&mut svg, width);
        self.draw_axes(&mut svg, width);
        if let Some((low, high)) = self.fill {
            self.draw_fill(&mut svg, low, high);
        }
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = write!(
                svg,
                "<path class=\"line c{} d{}\" d=\"{}\"/>",
                line.colour % 8,
                line.dash % 4,
                self.path(line)
            );
        }
        let (title, about) = (escape(&self.title), escape(&self.about));
        let about = if about.is_empty() {
            about
        } else {
            format!("<span class=\"about\">{about}</span>")
        };
        format!(
            "<figure class=\"{}\"><figcaption><b>{title}</b>{about}{}</figcaption>\
             <svg class=\"plot\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}t {id}d\" \
             data-plot=\"{}\"><title id=\"{id}t\">{title}</title><desc id=\"{id}d\">{}</desc>{svg}</svg></figure>\n",
            match self.size {
                Size::Whole => "whole",
                Size::Half => "half",
                Size::Third => "third",
            },
            self.legend(),
            escape(&self.hover(width)),
            escape(&self.description()),
        )
    }

    fn at_x(&self, x: f64) -> Option<f64> {
        Some(LEFT + self.x.place(x)? * (self.size.width() - LEFT - RIGHT))
    }

    fn at_y(&self, y: f64) -> Option<f64> {
        Some(HEIGHT - BOTTOM - self.y.place(y)? * (HEIGHT - BOTTOM - TOP))
    }

    fn draw_shades(&self, svg: &mut String, width: f64) {
        for shade in &self.shades {
            let (Some(from), Some(to)) = (self.at_x(shade.from), self.at_x(shade.to)) else {
                continue;
            };
            let (wide, high) = ((to - from).max(0.0), HEIGHT - BOTTOM - TOP);
            if shade.strong {
                let _ = write!(
                    svg,
                    "<rect class=\"shade\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{high}\"/>"
                );
            }
            let fits = shade.name.chars().count() as f64 * CHARACTER < wide && from < width;
            if fits {
                let (middle, name) = (from + wide / 2.0, escape(&shade.name));
                let _ = write!(
                    svg,
                    "<text class=\"phase\" x=\"{middle:.1}\" y=\"{}\">{name}</text>",
                    TOP - 6.0
                );
            }
        }
    }

    fn draw_axes(&self, svg: &mut String, width: f64) {
        let (right, bottom) = (width - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in self.y.ticks() {
            let Some(y) = self.at_y(value) else { continue };
            let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = write!(
                svg,
                "<text class=\"tick y\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let mut free_from = 0.0;
        for (value, text) in self.x.ticks() {
            let Some(x) = self.at_x(value) else { continue };
            let half = text.chars().count() as f64 * CHARACTER / 2.0;
            let _ = write!(svg, "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>");
            // A text at the end would stand outside; one that touches its neighbour is left out.
            let middle = x.min(width - half - 1.0);
            if middle - half > free_from {
                free_from = middle + half + 8.0;
                let _ = write!(
                    svg,
                    "<text class=\"tick x\" x=\"{middle:.1}\" y=\"{}\">{text}</text>",
                    bottom + 18.0
                );
            }
        }
        let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>");
        let (x_label, y_label) = (escape(&self.x_label), escape(&self.y_label));
        let _ = write!(svg, "<text class=\"label y\" x=\"2\" y=\"14\">{y_label}</text>");
        let _ = write!(
            svg,
            "<text class=\"label x\" x=\"{right}\" y=\"{}\">{x_label}</text>",
            HEIGHT - 6.0
        );
    }

    /// The area between two lines, where both have points.
    fn draw_fill(&self, svg: &mut String, low: usize, high: usize) {
        let (Some(low), Some(high)) = (self.lines.get(low), self.lines.get(high)) else {
            return;
        };
        let both = || {
            low.points
                .iter()
                .zip(&high.points)
                .filter(|(one, other)| one.1.is_some() && other.1.is_some())
        };
        let at = |point: &(f64, Option<f64>)| Some((self.at_x(point.0)?, self.at_y(point.1?)?));
        let up: Vec<(f64, f64)> = both().filter_map(|(low, _)| at(low)).collect();
        let mut back: Vec<(f64, f64)> = both().filter_map(|(_, high)| at(high)).collect();
        back.reverse();
        if up.len() > 1 {
            let all: Vec<String> = up.iter().chain(&back).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let _ = write!(
                svg,
                "<path class=\"fill c{}\" d=\"M{}Z\"/>",
                high.colour % 8,
                all.join("L")
            );
        }
    }

    fn path(&self, line: &Line) -> String {
        let group = line.points.len().div_ceil(POINTS_MAX).max(1);
        let mut path = String::new();
        let mut pen_down = false;
        for near in line.points.chunks(group) {
            let greatest = near.iter().filter_map(|point| point.1).reduce(f64::max);
            let Some((x, y)) = self.at_x(near[0].0).zip(greatest.and_then(|value| self.at_y(value))) else {
                pen_down = false;
                continue;
            };
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { 'L' } else { 'M' });
            // A point alone is drawn as a dot: a line of no length with a round end.
            if !pen_down {
                path.push_str("h0");
            }
            pen_down = true;
        }
        path
    }

    fn legend(&self) -> String {
        if self.lines.len() < 2 {
            return String::new();
        }
        let mut text = "<span class=\"legend\">".to_owned();
        for line in &self.lines {
            let sample = format!(
                "<svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line c{} d{}\" d=\"M1 5H27\"/></svg>",
                line.colour % 8,
                line.dash % 4
            );
            let _ = write!(text, "<span>{sample}{}</span>", escape(&line.name));
        }
        text + "</span>"
    }

    /// What a listener hears: each line from least to most.
    fn description(&self) -> String {
        let mut text = format!("{} over {}.", self.y_label, self.x_label);
        for line in &self.lines {
            let mut values: Vec<f64> = line.points.iter().filter_map(|point| point.1).collect();
            values.sort_by(f64::total_cmp);
            let write = |value: &f64| match self.y.writing {
                Writing::Time => crate::units::time_us(*value),
                _ => crate::units::figure(*value),
            };
            if let (Some(least), Some(middle), Some(most)) =
                (values.first(), values.get(values.len() / 2), values.last())
            {
                let (least, middle, most) = (write(least), write(middle), write(most));
                let _ = write!(text, " {}: {least} to {most}, median {middle}.", line.name);
            }
        }
        text
    }

    /// What the script needs for tooltips: where each x stands, and what to say there.
    fn hover(&self, width: f64) -> String {
        let longest = self.lines.iter().max_by_key(|line| line.points.len());
        let group = longest.map_or(1, |line| line.points.len().div_ceil(POINTS_MAX / 4).max(1));
        let places = longest.into_iter().flat_map(|line| line.points.iter().step_by(group));
        let says: Vec<serde_json::Value> = places
            .filter_map(|(x, _)| {
                let values = self.lines.iter().filter_map(|line| {
                    let (_, value) = line.points.iter().find(|point| point.0 == *x)?;
                    Some(format!("{}: {}", line.name, self.say(self.y.writing, (*value)?)))
                });
                let text: Vec<String> = std::iter::once(self.say_x(*x)).chain(values).collect();
                Some(serde_json::json!([(self.at_x(*x)? * 10.0).round() / 10.0, text]))
            })
            .collect();
        serde_json::json!({ "width": width, "top": TOP, "bottom": HEIGHT - BOTTOM, "at": says }).to_string()
    }

    fn say_x(&self, x: f64) -> String {
        match self.x.writing {
            Writing::Percentile => format!(
                "{} % are faster",
                crate::result::rounded((1.0 - 10f64.powf(-x)) * 100.0)
            ),
            _ if self.x_label == SECONDS => format!("second {}", crate::units::short(x)),
            _ => format!("{} {}", crate::units::figure(x), self.x_label),
        }
    }

    fn say(&self, writing: Writing, value: f64) -> String {
        match writing {
            Writing::Time => crate::units::time_us(value),
            _ => format!("{} {}", crate::units::figure(value), self.y_label),
        }
    }
}

/// Plots of one kind get the same axes, so that they can be compared by eye.
pub fn share_axes(charts: &mut [&mut Chart]) {
    let x = charts.iter().map(|chart| chart.x).reduce(Axis::joined);
    let y = charts.iter().map(|chart| chart.y).reduce(Axis::joined);
    if let (Some(x), Some(y)) = (x, y) {
        for chart in charts {
            (chart.x, chart.y) = (x, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        let line = Line {
            name: "<p50>".to_owned(),
            colour: 0,
            dash: 0,
            points,
        };
        Chart::over_time("a & b", "", "messages/s", (Layout::Linear, Writing::Number), vec![line])
    }

    #[test]
    fn a_hole_lifts_the_pen() {
        let chart = chart(vec![(1.0, Some(1.0)), (2.0, Some(2.0)), (3.0, None), (4.0, Some(1.0))]);
        let path = chart.path(&chart.lines[0]);
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    }

    #[test]
    fn a_day_of_seconds_is_drawn_with_as_many_points_as_can_be_seen() {
        let chart = chart((0..86_400).map(|second| (f64::from(second), Some(5.0))).collect());
        assert!(chart.path(&chart.lines[0]).matches('L').count() < POINTS_MAX);
    }

    #[test]
    fn names_are_text() {
        let drawn = chart(vec![(1.0, Some(1.0))]).draw("x");
        assert!(drawn.contains("a &amp; b") && !drawn.contains("<p50>"), "{drawn}");
    }

    #[test]
    fn shared_axes_hold_both() {
        let (mut one, mut other) = (chart(vec![(9.0, Some(1.0))]), chart(vec![(3.0, Some(8.0))]));
        share_axes(&mut [&mut one, &mut other]);
        assert_eq!((one.x, one.y), (other.x, other.y));
        assert!(one.x.most >= 9.0 && one.y.most >= 8.0);
    }
}
