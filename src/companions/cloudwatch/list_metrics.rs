//! ListMetrics: which metrics there are.

use super::{Call, Fault, Metric, NAME_LENGTH_MAX, Place, Tree, skipped};

/// Metrics on a page, and about how many bytes they may have.
const PAGE: usize = 500;
const PAGE_BYTES: usize = 1 << 20;

/// Dimensions that a call may ask for.
const FILTERS_MAX: usize = 10;

/// What a call asks for.
struct Filter<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    /// Names, with values or for any value.
    dimensions: Vec<(&'a str, Option<&'a str>)>,
}

pub(crate) fn serve(call: &Call<'_>, input: &Place<'_>) -> Result<Tree, Fault> {
    let filter = Filter::of(input)?;
    let skipped = skipped(input)?;
    let metrics = call.metrics.metrics(&call.owner(), call.now);
    let mut found = metrics.iter().filter(|metric| filter.admits(metric)).skip(skipped).peekable();
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < PAGE && bytes < PAGE_BYTES {
        let Some(metric) = found.next() else { break };
        bytes += metric.bytes();
        page.push(metric.tree());
    }
    let next = skipped.saturating_add(page.len());
    let mut output = vec![("Metrics", Tree::List(page))];
    if found.peek().is_some() {
        output.push(("NextToken", Tree::Text(next.to_string())));
    }
    Ok(output.into_iter().collect())
}

impl<'a> Filter<'a> {
    fn of(input: &Place<'a>) -> Result<Self, Fault> {
        let dimension = |place: &Place<'a>| {
            let name = place.at("Name").required_text(NAME_LENGTH_MAX)?;
            Ok((name, place.at("Value").text()?))
        };
        let dimensions = input.at("Dimensions").list(FILTERS_MAX)?;
        Ok(Self {
            namespace: input.at("Namespace").text()?,
            name: input.at("MetricName").text()?,
            dimensions: dimensions.iter().map(dimension).collect::<Result<_, Fault>>()?,
        })
    }

    fn admits(&self, metric: &Metric) -> bool {
        let has = |(name, value): &(&str, Option<&str>)| {
            let mut dimensions = metric.dimensions.iter();
            dimensions.any(|(n, v)| n == name && value.is_none_or(|value| v == value))
        };
        self.namespace.is_none_or(|namespace| metric.namespace == namespace)
            && self.name.is_none_or(|name| metric.name == name)
            && self.dimensions.iter().all(has)
    }
}
