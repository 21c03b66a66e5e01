//! Rates with the name of what is counted: messages a second, not elements.

use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};

/// What is counted: its rate, in thousands, in millions.
pub type Noun = [&'static str; 3];

macro_rules! noun {
    ($name:literal) => {
        [
            concat!($name, "/s"),
            concat!("thousand ", $name, "/s"),
            concat!("million ", $name, "/s"),
        ]
    };
}
pub(crate) use noun;

/// A criterion that counts these; little time for each bench, since there are many.
pub fn counting(noun: Noun) -> Criterion<Named> {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(30)
        .configure_from_args()
        .with_measurement(Named(Names(noun)))
}

/// Wall time whose rates have a name.
pub struct Named(Names);

struct Names(Noun);

impl Measurement for Named {
    type Intermediate = Instant;
    type Value = Duration;

    fn start(&self) -> Instant {
        WallTime.start()
    }

    fn end(&self, start: Instant) -> Duration {
        WallTime.end(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        WallTime.add(one, other)
    }

    fn zero(&self) -> Duration {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &self.0
    }
}

impl ValueFormatter for Names {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(&self, typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let (count, scales) = match throughput {
            Throughput::Elements(count) => (*count, self.0),
            Throughput::Bytes(count) => (*count, ["B/s", "kB/s", "MB/s"]),
            other => return WallTime.formatter().scale_throughputs(typical, other, values),
        };
        let rate = |ns: f64| count as f64 * 1e9 / ns;
        let power = ((rate(typical).log10() / 3.0) as usize).min(scales.len() - 1);
        values
            .iter_mut()
            .for_each(|value| *value = rate(*value) / 1000_f64.powi(power as i32));
        scales[power]
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
