//! GetMetricData: what the values of metrics come to, by period.

use std::collections::{BTreeMap, BTreeSet};

use millpond_api::types::Timestamp;

use super::{
    Call, Fault, Metric, Minute, NAME_LENGTH_MAX, Place, Statistics, Tree, dimensions, skipped,
    unit,
};

/// Queries in one call.
const QUERIES_MAX: usize = 500;

/// Data points on a page, unless the call asks for fewer.
const POINTS_MAX: u32 = 100_800;

/// What one query asks for.
struct Query<'a> {
    id: &'a str,
    label: String,
    metric: Metric,
    unit: Option<&'static str>,
    period_millis: i64,
    statistic: Statistic,
}

#[derive(Debug, Clone, Copy)]
enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
}

impl Statistic {
    fn of(self, values: &Statistics) -> f64 {
        match self {
            Self::SampleCount => values.count,
            Self::Sum => values.sum,
            Self::Average => values.sum / values.count,
            Self::Minimum => values.min,
            Self::Maximum => values.max,
        }
    }
}

/// The time that a call asks about, from its start up to its end.
struct Span {
    start: Timestamp,
    end: Timestamp,
}

pub(crate) fn serve(call: &Call<'_>, input: &Place<'_>) -> Result<Tree, Fault> {
    let moment = |name| {
        let place = input.at(name);
        place.moment()?.ok_or_else(|| place.missing())
    };
    let span = Span { start: moment("StartTime")?, end: moment("EndTime")? };
    if span.start >= span.end {
        return Err(Fault::unsupported(
            "The parameter StartTime must be less than the parameter EndTime.".to_owned(),
        ));
    }
    let is_ascending = match input.at("ScanBy").text()? {
        None | Some("TimestampDescending") => false,
        Some("TimestampAscending") => true,
        Some(other) => return Err(input.at("ScanBy").invalid_value(&other)),
    };
    let queries = queries(input)?;
    let mut page = Page::of(input)?;
    let owner = call.owner();
    let mut results = Vec::new();
    for query in &queries {
        let minutes = call.metrics.minutes(&owner, &query.metric, call.now);
        let mut points = query.points(&minutes, &span);
        if !is_ascending {
            points.reverse();
        }
        results.push(page.result(query, points));
    }
    let mut output =
        vec![("MetricDataResults", Tree::List(results)), ("Messages", Tree::List(Vec::new()))];
    output.extend(page.next.map(|next| ("NextToken", Tree::Text(next.to_string()))));
    Ok(output.into_iter().collect())
}

fn queries<'a>(input: &Place<'a>) -> Result<Vec<Query<'a>>, Fault> {
    let at = input.at("MetricDataQueries");
    let places = at.list(QUERIES_MAX)?;
    if places.is_empty() {
        return Err(at.missing());
    }
    let mut ids = BTreeSet::new();
    let mut queries = Vec::new();
    for place in &places {
        let id = place.at("Id").required_text(NAME_LENGTH_MAX)?;
        let mut letters = id.chars();
        let is_id = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_id {
            return Err(place.at("Id").invalid_value(&id));
        }
        if !ids.insert(id) {
            return Err(Fault::unsupported(format!("The values of {}.Id repeat.", at.path())));
        }
        let query = query(place, id)?;
        if place.at("ReturnData").flag()?.unwrap_or(true) {
            queries.push(query);
        }
    }
    Ok(queries)
}

fn query<'a>(place: &Place<'a>, id: &'a str) -> Result<Query<'a>, Fault> {
    let stat = place.at("MetricStat");
    if !stat.is_there() {
        return Err(Fault::unsupported(format!(
            "millpond serves queries with a MetricStat, which {} has not, and no expressions.",
            place.path()
        )));
    }
    let metric = stat.at("Metric");
    let name = metric.at("MetricName").required_text(NAME_LENGTH_MAX)?;
    Ok(Query {
        id,
        label: place.at("Label").text()?.unwrap_or(name).to_owned(),
        metric: Metric {
            namespace: metric.at("Namespace").required_text(NAME_LENGTH_MAX)?.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions(&metric.at("Dimensions"))?,
        },
        unit: unit(&stat.at("Unit"))?,
        period_millis: period_millis(&stat.at("Period"))?,
        statistic: statistic(&stat.at("Stat"))?,
    })
}

/// Metrics are kept by the minute, so that shorter periods come to minutes, too.
fn period_millis(place: &Place<'_>) -> Result<i64, Fault> {
    let seconds = place.integer()?.ok_or_else(|| place.missing())?;
    let is_short = [1, 5, 10, 20, 30].contains(&seconds);
    if is_short || (seconds > 0 && seconds.is_multiple_of(60)) {
        return Ok(i64::try_from(seconds.max(60) * 1000).unwrap_or(i64::MAX));
    }
    Err(Fault::unsupported(format!(
        "The parameter {} must be 1, 5, 10, 20, 30 or a multiple of 60.",
        place.path()
    )))
}

fn statistic(place: &Place<'_>) -> Result<Statistic, Fault> {
    Ok(match place.required_text(NAME_LENGTH_MAX)? {
        "SampleCount" => Statistic::SampleCount,
        "Sum" => Statistic::Sum,
        "Average" => Statistic::Average,
        "Minimum" => Statistic::Minimum,
        "Maximum" => Statistic::Maximum,
        other => {
            return Err(Fault::unsupported(format!(
                "millpond keeps SampleCount, Sum, Average, Minimum and Maximum, and not {other}, \
                 which {} asks for.",
                place.path()
            )));
        }
    })
}

impl Query<'_> {
    /// The periods that have values, in order, each by its start.
    fn points(&self, minutes: &[Minute], span: &Span) -> Vec<(Timestamp, f64)> {
        let period_of = |at: Timestamp| at.millis().div_euclid(self.period_millis);
        let first = period_of(span.start);
        let mut periods: BTreeMap<i64, Statistics> = BTreeMap::new();
        for minute in minutes {
            let period = period_of(minute.start);
            let is_wanted = self.unit.is_none_or(|unit| unit == minute.unit);
            if is_wanted && period >= first && minute.start < span.end {
                let values = periods.get(&period).copied();
                let values = values.map_or(minute.statistics, |v| v.and(minute.statistics));
                periods.insert(period, values);
            }
        }
        let point = |(period, values): (&i64, &Statistics)| {
            (Timestamp::from_millis(period * self.period_millis), self.statistic.of(values))
        };
        periods.iter().map(point).collect()
    }
}

/// The part of all points that one answer has.
struct Page {
    skip: usize,
    room: usize,
    shown: usize,
    next: Option<usize>,
}

impl Page {
    fn of(input: &Place<'_>) -> Result<Self, Fault> {
        let at = input.at("MaxDatapoints");
        let room = match at.integer()? {
            None => POINTS_MAX as usize,
            Some(room) if (1..=POINTS_MAX.into()).contains(&room) => room as usize,
            Some(room) => return Err(at.invalid_value(&room)),
        };
        let skip = skipped(input)?;
        Ok(Self { skip, room, shown: skip, next: None })
    }

    fn result(&mut self, query: &Query<'_>, points: Vec<(Timestamp, f64)>) -> Tree {
        let skipped = self.skip.min(points.len());
        self.skip -= skipped;
        let taken = self.room.min(points.len() - skipped);
        self.room -= taken;
        self.shown += taken;
        let is_whole = skipped + taken == points.len();
        if !is_whole {
            self.next = Some(self.shown);
        }
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for (at, value) in points.into_iter().skip(skipped).take(taken) {
            times.push(Tree::Time(at));
            values.push(Tree::Number(value));
        }
        Tree::map([
            ("Id", query.id.into()),
            ("Label", (&*query.label).into()),
            ("Timestamps", Tree::List(times)),
            ("Values", Tree::List(values)),
            ("StatusCode", if is_whole { "Complete" } else { "PartialData" }.into()),
        ])
    }
}
