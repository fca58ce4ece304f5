//! PutMetricData: checked as a whole, then kept.

use millpond_api::types::Timestamp;
use millpond_quotas::limits;

use super::{Call, Fault, Metric, NAME_LENGTH_MAX, Place, Statistics, dimensions, unit};

/// Metrics in one call, and values of one metric.
const METRICS_MAX: usize = 1000;
const VALUES_MAX: usize = 150;

/// Namespaces that only AWS' services put to.
const RESERVED: &str = "AWS/";

/// The greatest value, and less this the least, that CloudWatch takes: 2^360.
const VALUE_MAX: f64 = 2.348_542_582_773_833e108;

/// The least number of values: with it no average is beyond all numbers. CloudWatch's least value.
const COUNT_MIN: f64 = 8.515_920e-109;

/// One metric's values.
struct Datum {
    metric: Metric,
    unit: &'static str,
    at: Timestamp,
    statistics: Statistics,
}

pub(crate) fn serve(call: &Call<'_>, input: &Place<'_>) -> Result<(), Fault> {
    let at = input.at("Namespace");
    let namespace = at.required_text(NAME_LENGTH_MAX)?;
    if namespace.starts_with(':') || namespace.starts_with(RESERVED) {
        return Err(at.invalid_value(&namespace));
    }
    let data = input.at("MetricData");
    let mut all = data.list(METRICS_MAX)?;
    // Metrics with an entity are metrics like others; the entity is for CloudWatch's console.
    for entity in input.at("EntityMetricData").list(METRICS_MAX)? {
        all.extend(entity.at("MetricData").list(METRICS_MAX - all.len())?);
    }
    if all.is_empty() {
        return Err(data.missing());
    }
    let read = |place: &Place<'_>| datum(namespace, place, call.now);
    let data = all.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let owner = call.owner();
    for Datum { metric, unit, at, statistics } in data {
        call.metrics.put(&owner, metric, unit, at, statistics, call.now);
    }
    Ok(())
}

fn datum(namespace: &str, place: &Place<'_>, now: Timestamp) -> Result<Datum, Fault> {
    let metric = Metric {
        namespace: namespace.to_owned(),
        name: place.at("MetricName").required_text(NAME_LENGTH_MAX)?.to_owned(),
        dimensions: dimensions(&place.at("Dimensions"))?,
    };
    let unit = unit(&place.at("Unit"))?.unwrap_or("None");
    Ok(Datum { metric, unit, at: moment(&place.at("Timestamp"), now)?, statistics: values(place)? })
}

fn moment(place: &Place<'_>, now: Timestamp) -> Result<Timestamp, Fault> {
    let at = place.moment()?.unwrap_or(now);
    let age = now.millis() - at.millis();
    let fault = |words| Fault::invalid(format!("The parameter {} {words}", place.path()));
    if age > limits::METRIC_AGE_MAX.as_millis() as i64 {
        return Err(fault("must specify a time no more than two weeks in the past."));
    }
    if -age > limits::METRIC_AHEAD_MAX.as_millis() as i64 {
        return Err(fault("must specify a time no more than two hours in the future."));
    }
    Ok(at)
}

/// The values, which come as one, as many, or summed up.
fn values(place: &Place<'_>) -> Result<Statistics, Fault> {
    let forms = ["Value", "Values", "StatisticValues"].map(|name| place.at(name));
    let given: Vec<_> = forms.iter().filter(|form| form.is_there()).collect();
    match *given {
        [] => {
            let [value, values, set] = forms.each_ref().map(Place::path);
            Err(Fault::missing(format!(
                "At least one of the parameters {value}, {values} or {set} must be specified."
            )))
        }
        [first, second, ..] => Err(Fault::combination(format!(
            "The parameters {} and {} are mutually exclusive and you have specified both.",
            first.path(),
            second.path()
        ))),
        [_] => {
            let [value, values, set] = &forms;
            if value.is_there() {
                Ok(Statistics::of(number(value)?, 1.0))
            } else if values.is_there() {
                counted(values, &place.at("Counts"))
            } else {
                statistics(set)
            }
        }
    }
}

fn counted(values: &Place<'_>, counts: &Place<'_>) -> Result<Statistics, Fault> {
    let (all, times) = (values.list(VALUES_MAX)?, counts.list(VALUES_MAX)?);
    if all.is_empty() {
        return Err(values.missing());
    }
    if counts.is_there() && times.len() != all.len() {
        return Err(Fault::invalid(format!(
            "The parameters {} and {} must be of the same size.",
            values.path(),
            counts.path()
        )));
    }
    let mut sum: Option<Statistics> = None;
    for (at, value) in all.iter().enumerate() {
        let times = match times.get(at) {
            None => 1.0,
            Some(times) => positive(times)?,
        };
        let statistics = Statistics::of(number(value)?, times);
        sum = Some(sum.map_or(statistics, |sum| sum.and(statistics)));
    }
    sum.ok_or_else(|| values.missing())
}

fn statistics(set: &Place<'_>) -> Result<Statistics, Fault> {
    let count = positive(&set.at("SampleCount"))?;
    let [sum, min, max] = ["Sum", "Minimum", "Maximum"].map(|name| number(&set.at(name)));
    let (sum, min, max) = (sum?, min?, max?);
    if min > max {
        return Err(Fault::invalid(format!(
            "The value {max} for parameter {0}.Maximum must not be smaller than {0}.Minimum.",
            set.path()
        )));
    }
    Ok(Statistics { count, sum, min, max })
}

fn number(place: &Place<'_>) -> Result<f64, Fault> {
    let number = place.required_number()?;
    if number.abs() <= VALUE_MAX { Ok(number) } else { Err(place.invalid_value(&number)) }
}

fn positive(place: &Place<'_>) -> Result<f64, Fault> {
    let number = number(place)?;
    if number >= COUNT_MIN { Ok(number) } else { Err(place.invalid_value(&number)) }
}
