//! ListMetrics: which metrics there are.

use super::{Call, Fault, Metric, Place, Tree, skipped};

/// Metrics on a page.
const PAGE: usize = 500;

pub(crate) fn serve(call: &Call<'_>, input: &Place<'_>) -> Result<Tree, Fault> {
    let namespace = input.at("Namespace").text()?;
    let name = input.at("MetricName").text()?;
    let mut filters = Vec::new();
    for place in input.at("Dimensions").list()? {
        filters.push((place.at("Name").required_text(super::NAME_LENGTH_MAX)?, {
            place.at("Value").text()?
        }));
    }
    let has = |metric: &Metric, (name, value): (&str, Option<&str>)| {
        let mut dimensions = metric.dimensions.iter();
        dimensions.any(|(n, v)| n == name && value.is_none_or(|value| v == value))
    };
    let is_wanted = |metric: &Metric| {
        namespace.is_none_or(|namespace| metric.namespace == namespace)
            && name.is_none_or(|name| metric.name == name)
            && filters.iter().all(|filter| has(metric, *filter))
    };
    let skipped = skipped(input)?;
    let owner = call.owner();
    let metrics = call.metrics.metrics(&owner, call.now, is_wanted);
    let page = metrics.iter().skip(skipped).take(PAGE);
    let mut output = vec![("Metrics", Tree::List(page.map(|metric| metric.tree()).collect()))];
    let next = skipped.saturating_add(PAGE);
    if next < metrics.len() {
        output.push(("NextToken", Tree::Text(next.to_string())));
    }
    Ok(output.into_iter().collect())
}
