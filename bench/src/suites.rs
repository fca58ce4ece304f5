//! Which cases are run together, and how flags vary them.

use crate::cases::{CASES, Case, Durability, Load, Setting};

/// A named list of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// Two minutes' worth: one case of each kind
    Quick,
    /// What docs/performance/README.md shows
    Table,
    /// Every case, and each durability, number of shards, TLS and quotas on the main ones
    Full,
}

const QUICK: [&str; 7] = [
    "put-records-500x100B",
    "put-records-500x1KiB",
    "put-record-1KiB-c64",
    "get-records-100B",
    "get-records-1KiB",
    "put-to-read-100B",
    "put-to-subscribe-100B",
];

/// What the table leaves out of all cases.
const NOT_IN_TABLE: [&str; 4] =
    ["put-record-100B-c16", "put-record-1KiB-c16", "put-to-read-1KiB", "put-to-read-100B-cbor"];

/// The cases whose settings are varied.
const VARIED: [&str; 3] = ["put-records-500x100B", "put-records-500x1KiB", "put-record-1KiB-c64"];

impl Suite {
    pub(crate) fn cases(self) -> Vec<Case> {
        let all = CASES.into_iter();
        match self {
            Self::Quick => all.filter(|case| QUICK.contains(&case.name)).collect(),
            Self::Table => {
                let kept = all.filter(|case| !NOT_IN_TABLE.contains(&case.name));
                kept.flat_map(|case| varied(case, &TABLE_SETTINGS)).collect()
            }
            Self::Full => all.flat_map(|case| varied(case, &FULL_SETTINGS)).collect(),
        }
    }
}

const fn shards(shards: u16) -> Setting {
    Setting { shards, ..Setting::DEFAULT }
}

const fn durability(durability: Durability) -> Setting {
    Setting { durability, ..Setting::DEFAULT }
}

const TLS: Setting = Setting { tls: true, ..Setting::DEFAULT };
const QUOTAS: Setting = Setting { quotas: true, ..Setting::DEFAULT };

const TABLE_SETTINGS: [Setting; 6] = [
    TLS,
    QUOTAS,
    shards(100),
    shards(2_000),
    durability(Durability::Os),
    durability(Durability::Memory),
];
const FULL_SETTINGS: [Setting; 7] = [
    TLS,
    QUOTAS,
    shards(1),
    shards(100),
    shards(2_000),
    durability(Durability::Os),
    durability(Durability::Memory),
];

/// A case as it is, and with each of these settings if it is one of those that are varied.
fn varied(case: Case, settings: &[Setting]) -> Vec<Case> {
    let more = settings.iter().filter(|_| VARIED.contains(&case.name));
    let more = more.map(|&setting| Case { setting, ..case });
    [case].into_iter().chain(more).collect()
}

/// What the command line asks of each case, over what the case itself says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variation {
    /// Each of them; none leaves what the case has.
    pub(crate) shards: Vec<u16>,
    pub(crate) durability: Vec<Durability>,
    pub(crate) per_second: Option<u32>,
    /// With and without, not only what the case has.
    pub(crate) tls: bool,
    pub(crate) quotas: bool,
    /// What is read of each shard, in MiB; without it what the case has.
    pub(crate) fill_mib: Option<u16>,
}

impl Variation {
    /// Each case in each setting that is asked for; no two are alike.
    pub(crate) fn of(&self, cases: &[Case]) -> Vec<Case> {
        let mut varied: Vec<Case> = Vec::new();
        for setting in cases.iter().flat_map(|&case| self.settings(case)) {
            let is_there = |at: &Case| (at.name, at.setting) == (setting.name, setting.setting);
            if !varied.iter().any(is_there) {
                varied.push(setting);
            }
        }
        varied
    }

    fn settings(&self, case: Case) -> Vec<Case> {
        let mut settings = vec![case.setting];
        // A reader that waits at a tail follows one shard.
        if !self.shards.is_empty() && case.load != Load::PutToRead {
            settings = each(&settings, &self.shards, |setting, shards| setting.shards = shards);
        }
        if !self.durability.is_empty() {
            settings = each(&settings, &self.durability, |setting, when| setting.durability = when);
        }
        if self.tls {
            settings = each(&settings, &[false, true], |setting, tls| setting.tls = tls);
        }
        if self.quotas {
            settings = each(&settings, &[false, true], |setting, quotas| setting.quotas = quotas);
        }
        let rated = settings.into_iter().map(|setting| Setting {
            per_second: self.per_second.or(setting.per_second),
            ..setting
        });
        let fill_mib = self.fill_mib.unwrap_or(case.fill_mib);
        rated.map(|setting| Case { fill_mib, setting, ..case }).collect()
    }
}

/// Each setting with each value.
fn each<T: Copy>(
    settings: &[Setting],
    values: &[T],
    set: impl Fn(&mut Setting, T),
) -> Vec<Setting> {
    let pairs =
        settings.iter().flat_map(|setting| values.iter().map(move |value| (setting, value)));
    pairs
        .map(|(setting, value)| {
            let mut setting = *setting;
            set(&mut setting, *value);
            setting
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::parse;

    #[test]
    fn every_name_of_a_suite_is_a_case() {
        for name in QUICK.iter().chain(&NOT_IN_TABLE).chain(&VARIED) {
            parse(name).unwrap();
        }
        let [quick, table, full] = [Suite::Quick, Suite::Table, Suite::Full].map(Suite::cases);
        assert!(quick.len() < table.len() && table.len() < full.len());
    }

    #[test]
    fn flags_multiply_and_nothing_is_run_twice() {
        let cases = [parse("put-record-100B-c1").unwrap(), parse("put-to-read-100B").unwrap()];
        let variation = Variation { shards: vec![1, 9, 1], tls: true, ..Variation::default() };
        let names: Vec<String> = variation.of(&cases).iter().map(Case::to_string).collect();
        let expected = [
            "put-record-100B-c1 1 shard",
            "put-record-100B-c1 1 shard TLS",
            "put-record-100B-c1 9 shards",
            "put-record-100B-c1 9 shards TLS",
            "put-to-read-100B 1 shard",
            "put-to-read-100B 1 shard TLS",
        ];
        assert_eq!(names, expected);
        assert_eq!(Variation::default().of(&cases).len(), 2);
    }
}
