//! CloudWatch: PutMetricData, and what reads it back. Metrics are kept by the minute, for three
//! hours, in memory.

mod get_metric_data;
mod list_metrics;
mod put_metric_data;
mod store;
mod streams;

use super::{
    Call,
    fault::Fault,
    tree::{Place, Tree},
};

pub(super) use get_metric_data::serve as get_metric_data;
pub(super) use list_metrics::serve as list_metrics;
pub(super) use put_metric_data::serve as put_metric_data;
pub use store::{Metric, MetricStore, Minute, Statistics};
pub use streams::sample_streams;

/// Bytes in the names of CloudWatch.
const NAME_LENGTH_MAX: usize = 255;
const DIMENSION_VALUE_LENGTH_MAX: usize = 1024;
const DIMENSIONS_MAX: usize = 30;

/// Every unit that a metric can have.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The unit here, if there is one.
fn unit(place: &Place<'_>) -> Result<Option<&'static str>, Fault> {
    let Some(text) = place.text()? else { return Ok(None) };
    let unit = UNITS.into_iter().find(|unit| *unit == text);
    unit.map(Some).ok_or_else(|| place.invalid_value(&text))
}

/// The dimensions here, by name.
fn dimensions(place: &Place<'_>) -> Result<Vec<(String, String)>, Fault> {
    let places = place.list(DIMENSIONS_MAX)?;
    let pair = |place: &Place<'_>| {
        let name = place.at("Name").required_text(NAME_LENGTH_MAX)?;
        let value = place.at("Value").required_text(DIMENSION_VALUE_LENGTH_MAX)?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let mut dimensions = places.iter().map(pair).collect::<Result<Vec<_>, Fault>>()?;
    dimensions.sort();
    Ok(dimensions)
}

/// Where a listing goes on, which a token of ours says: how many came before.
fn skipped(input: &Place<'_>) -> Result<usize, Fault> {
    let Some(token) = input.at("NextToken").text()? else { return Ok(0) };
    token.parse().map_err(|_| Fault::next_token())
}

impl Metric {
    fn tree(&self) -> Tree {
        let dimension = |(name, value): &(String, String)| {
            Tree::map([("Name", (&**name).into()), ("Value", (&**value).into())])
        };
        Tree::map([
            ("Namespace", (&*self.namespace).into()),
            ("MetricName", (&*self.name).into()),
            ("Dimensions", Tree::List(self.dimensions.iter().map(dimension).collect())),
        ])
    }
}

#[cfg(test)]
mod tests;
