//! Axes: where a value stands, and which values are written beside the axis.
//!
//! Invariants: ticks lie within the axis, in ascending order, at most about a dozen of them; whatever the data, an axis
//! has a length (a flat line gets room around it).

use crate::units;

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// From zero.
    Linear,
    /// Decades; only what is above zero can be shown.
    Logarithmic,
    /// A quantile q stands at -log10(1 - q), so that each nine takes the same room.
    Nines,
}

/// How ticks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Number,
    /// Values are microseconds.
    Time,
    /// Positions are numbers of nines.
    Percentile,
}

/// An axis over some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    pub layout: Layout,
    pub writing: Writing,
    pub least: f64,
    pub most: f64,
}

impl Axis {
    /// Over all these values.
    pub fn over(layout: Layout, writing: Writing, values: impl Iterator<Item = f64>) -> Self {
        let usable = |value: &f64| value.is_finite() && (layout != Layout::Logarithmic || *value > 0.0);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(usable) {
            least = least.min(value);
            most = most.max(value);
        }
        if least > most {
            (least, most) = (1.0, 1.0);
        }
        let (least, most) = match layout {
            Layout::Linear => (0.0, if most > 0.0 { most * 1.04 } else { 1.0 }),
            Layout::Nines => (0.0, most.max(1.0)),
            Layout::Logarithmic => (below(least), above(most, least)),
        };
        Self {
            layout,
            writing,
            least,
            most,
        }
    }

    /// The same axis over the values of another, too.
    pub fn joined(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            ..self
        }
    }

    /// Where a value stands: 0 at the low end, 1 at the high end; `None` if it cannot be shown.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = match self.layout {
            Layout::Logarithmic if value <= 0.0 => return None,
            Layout::Logarithmic => (value / self.least).ln() / (self.most / self.least).ln(),
            _ => (value - self.least) / (self.most - self.least),
        };
        place.is_finite().then(|| place.clamp(0.0, 1.0))
    }

    /// Values with what is written beside them.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = match self.layout {
            Layout::Linear => self.linear_ticks(),
            Layout::Logarithmic => self.logarithmic_ticks(),
            Layout::Nines => return self.nines(),
        };
        values.into_iter().map(|value| (value, self.write(value))).collect()
    }

    fn write(&self, value: f64) -> String {
        match self.writing {
            Writing::Time => units::time_short_us(value),
            _ => units::short(value),
        }
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.most - self.least) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|times| times * power)
            .into_iter()
            .find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let count = ((self.most - self.least) / step).floor() as usize;
        (0..=count).map(|number| self.least + number as f64 * step).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<f64> {
        let decades = (self.most / self.least).log10();
        let steps: &[f64] = if decades <= 3.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let (first, last) = (self.least.log10().floor() as i32, self.most.log10().ceil() as i32);
        let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        let slack = 1e-9;
        all.filter(|value| *value >= self.least * (1.0 - slack) && *value <= self.most * (1.0 + slack))
            .collect()
    }

    fn nines(&self) -> Vec<(f64, String)> {
        let mut ticks = vec![(2f64.log10(), "50 %".to_owned()), (1.0, "90 %".to_owned())];
        for nines in 2..=(self.most.floor() as usize) {
            let digits = "9".repeat(nines.saturating_sub(2));
            let point = if digits.is_empty() { "" } else { "." };
            ticks.push((nines as f64, format!("99{point}{digits} %")));
        }
        ticks
    }
}

/// The next of 1, 2, 5 below.
fn below(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step <= value)
        .unwrap_or(power)
}

/// The next of 1, 2, 5 above, at least a few steps from the least.
fn above(value: f64, least: f64) -> f64 {
    let value = value.max(least * 4.0);
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_ticks() {
        let axis = Axis::over(Layout::Linear, Writing::Number, [300_000.0, 510_000.0].into_iter());
        assert_eq!(texts(&axis), ["0", "200k", "400k"]);
        assert_eq!((axis.place(0.0), axis.place(f64::NAN)), (Some(0.0), None));
        assert!(axis.place(510_000.0).unwrap() < 1.0);
    }

    #[test]
    fn a_logarithmic_axis_holds_its_values_between_round_ends() {
        let axis = Axis::over(Layout::Logarithmic, Writing::Time, [0.0, 140.0, 18_000.0].into_iter());
        assert_eq!((axis.least, axis.most), (100.0, 20_000.0));
        assert_eq!(
            texts(&axis),
            ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]
        );
        assert_eq!(axis.place(0.0), None);
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        let axis = Axis::over(Layout::Nines, Writing::Percentile, [0.0, 4.0].into_iter());
        assert_eq!(texts(&axis), ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!((axis.place(1.0), axis.place(2.0)), (Some(0.25), Some(0.5)));
    }

    #[test]
    fn axes_over_nothing_or_a_flat_line_have_a_length() {
        for values in [vec![], vec![0.0], vec![7.0, 7.0]] {
            for layout in [Layout::Linear, Layout::Logarithmic, Layout::Nines] {
                let axis = Axis::over(layout, Writing::Number, values.iter().copied());
                assert!(
                    axis.most > axis.least && (2..14).contains(&axis.ticks().len()),
                    "{axis:?}"
                );
            }
        }
    }
}
