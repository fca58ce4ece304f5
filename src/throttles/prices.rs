//! The price table: dated, and the user's to replace.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::{process::StartError, toml_text};

const BUILT_IN: &str = include_str!("prices.toml");

/// What AWS charges, as of a date.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prices {
    /// When the prices held.
    pub as_of: String,
    /// Where they are from.
    pub source: String,
    /// Their currency.
    pub currency: String,
    /// The region that stands for those without prices of their own.
    pub region: String,
    /// By region.
    #[serde(flatten)]
    pub regions: BTreeMap<String, Region>,
}

/// What AWS charges in a region.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Region {
    /// For provisioned streams.
    pub provisioned: Provisioned,
    /// For on-demand streams.
    pub on_demand: OnDemand,
}

/// Prices of provisioned streams.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each says what it is the price of")]
pub struct Provisioned {
    pub shard_hour: f64,
    pub million_put_units: f64,
    pub extended_shard_hour: f64,
    pub long_term_gb_month: f64,
    pub consumer_shard_hour: f64,
    pub fan_out_gb: f64,
}

/// Prices of on-demand streams.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each says what it is the price of")]
pub struct OnDemand {
    pub stream_hour: f64,
    pub gb_in: f64,
    pub gb_out: f64,
    pub fan_out_gb: f64,
    pub extended_gb_month: f64,
    pub long_term_gb_month: f64,
}

impl Prices {
    /// Those of a region, or of the one that stands for it.
    #[must_use]
    pub fn of(&self, region: &str) -> Region {
        let own = self.regions.get(region).or_else(|| self.regions.get(&self.region));
        own.copied().unwrap_or_default()
    }
}

/// The prices of the file, or those that we have.
///
/// # Errors
/// When the file can't be read, or isn't a table of prices.
pub(super) fn read(file: Option<&Path>) -> Result<Prices, StartError> {
    let Some(path) = file else {
        return parse(BUILT_IN).map_err(StartError::new);
    };
    let refused = |reason: &str| StartError::refused(format!("{}: {reason}", path.display()));
    let text = fs::read_to_string(path)
        .map_err(|error| refused(&format!("the file of --prices cannot be read: {error}")))?;
    parse(&text).map_err(|reason| refused(&reason))
}

fn parse(text: &str) -> Result<Prices, String> {
    let prices: Prices = toml::from_str(text).map_err(|error| {
        format!("{} (docs/testing/quotas.md has the whole table)", toml_text::fault(text, &error))
    })?;
    if !prices.regions.contains_key(&prices.region) {
        return Err(format!(
            "region = \"{0}\" has no prices: add [{0}.provisioned]",
            prices.region
        ));
    }
    for (name, region) in &prices.regions {
        if !all(region).into_iter().all(|price| price.is_finite() && price >= 0.0) {
            return Err(format!("[{name}]: a price is a number, and not below zero"));
        }
    }
    Ok(prices)
}

fn all(Region { provisioned, on_demand }: &Region) -> [f64; 12] {
    [
        provisioned.shard_hour,
        provisioned.million_put_units,
        provisioned.extended_shard_hour,
        provisioned.long_term_gb_month,
        provisioned.consumer_shard_hour,
        provisioned.fan_out_gb,
        on_demand.stream_hour,
        on_demand.gb_in,
        on_demand.gb_out,
        on_demand.fan_out_gb,
        on_demand.extended_gb_month,
        on_demand.long_term_gb_month,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "as-of = \"2030\"\nsource = \"us\"\ncurrency = \"EUR\"\nregion = \"here\"\n";

    #[test]
    fn the_built_in_table_is_whole() {
        let prices = read(None).unwrap();
        assert_eq!(prices.region, "us-east-1");
        assert!(all(&prices.of("us-east-1")).iter().all(|price| *price > 0.0));
        assert_eq!(prices.of("eu-west-1"), prices.of("us-east-1"));
    }

    #[test]
    fn a_table_has_a_date_and_regions() {
        let prices = parse(&format!("{HEAD}[here.provisioned]\nshard-hour = 1\n")).unwrap();
        assert_eq!(
            (prices.of("here").provisioned.shard_hour, prices.currency.as_str()),
            (1.0, "EUR")
        );
        assert_eq!(prices.of("there"), prices.of("here"));
    }

    #[test]
    fn what_is_no_table_of_prices_is_refused_with_its_place() {
        for (text, expected) in [
            ("", "line 1: missing field `as-of`"),
            (&*format!("{HEAD}[there.provisioned]\n"), "region = \"here\" has no prices"),
            (&format!("{HEAD}[here.provisioned]\nshard = 1\n"), "unknown field `shard`"),
            (
                &format!("{HEAD}[here.provisioned]\nshard-hour = -1\n"),
                "[here]: a price is a number",
            ),
            (
                &format!("{HEAD}[here.provisioned]\nshard-hour = nan\n"),
                "[here]: a price is a number",
            ),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
