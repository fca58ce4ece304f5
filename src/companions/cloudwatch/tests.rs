//! Metrics that are put and read back, and the bounds of what is kept.

use std::sync::Arc;

use millpond_api::types::Timestamp;
use millpond_shards::stream::Namespace;
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::Caller,
    companions::{Operation, wire::Wire},
};

const NOW: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// A caller of its own account, and the time.
struct Scene {
    store: MetricStore,
    account: &'static str,
    now: i64,
}

impl Scene {
    fn new() -> Self {
        Self { store: MetricStore::default(), account: "000000000000", now: NOW }
    }

    fn ask(&self, operation: Operation, input: &Value) -> Result<Value, Fault> {
        let caller = Caller {
            account: self.account.parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            access_key_id: Arc::from("test"),
            identity: None,
        };
        let call = Call {
            caller: &caller,
            origin: None,
            now: Timestamp::from_millis(self.now),
            metrics: &self.store,
            input: &Wire::Json.read(input.to_string().as_bytes()).unwrap(),
        };
        let output = operation.serve(&call)?;
        let answer = crate::companions::wire::Answer {
            service: crate::auth::Service::CloudWatch,
            operation: operation.name(),
            output,
        };
        Ok(serde_json::from_slice(&Wire::Json.write(answer, "id")).unwrap())
    }

    fn put(&self, datum: &Value) -> Result<(), Fault> {
        let input = json!({"Namespace": "app", "MetricData": [datum]});
        self.ask(Operation::PutMetricData, &input).map(|_| ())
    }

    /// The error's message.
    fn refused(&self, datum: &Value) -> String {
        self.put(datum).unwrap_err().message
    }

    /// The values of the metric `m`, with their times in minutes from now.
    fn values(&self, stat: &str, period: u32, more: &Value) -> Vec<(i64, f64)> {
        let mut stat = json!({"Metric": {"Namespace": "app", "MetricName": "m"},
            "Period": period, "Stat": stat});
        for (name, value) in more.as_object().unwrap() {
            stat[name] = value.clone();
        }
        let input = json!({"StartTime": (NOW - 3_600_000) / 1000, "EndTime": NOW / 1000 + 7200,
            "ScanBy": "TimestampAscending",
            "MetricDataQueries": [{"Id": "a", "MetricStat": stat}]});
        let output = self.ask(Operation::GetMetricData, &input).unwrap();
        let result = &output["MetricDataResults"][0];
        let times = result["Timestamps"].as_array().unwrap();
        let minutes = times.iter().map(|at| (at.as_i64().unwrap() * 1000 - NOW).div_euclid(MINUTE));
        let values = result["Values"].as_array().unwrap();
        minutes.zip(values.iter().map(|value| value.as_f64().unwrap())).collect()
    }

    fn names(&self, input: &Value) -> Vec<String> {
        let output = self.ask(Operation::ListMetrics, input).unwrap();
        let metrics = output["Metrics"].as_array().unwrap().iter();
        metrics.map(|metric| metric["MetricName"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn values_come_as_one_as_many_or_summed_up() {
    let scene = Scene::new();
    scene.put(&json!({"MetricName": "m", "Value": 7})).unwrap();
    scene.put(&json!({"MetricName": "m", "Values": [1, 2], "Counts": [1, 3]})).unwrap();
    let set = json!({"SampleCount": 5, "Sum": 20, "Minimum": 0.5, "Maximum": 9});
    scene.put(&json!({"MetricName": "m", "StatisticValues": set})).unwrap();
    let stats = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"];
    let values = stats.map(|stat| scene.values(stat, 60, &json!({})));
    assert_eq!(values, [10.0, 34.0, 3.4, 0.5, 9.0].map(|value| vec![(-1, value)]));
}

#[test]
fn values_are_told_by_period_and_unit() {
    let scene = Scene::new();
    for (minutes, value, unit) in
        [(0, 1, "Count"), (1, 2, "Count"), (5, 4, "Count"), (5, 8, "Bytes")]
    {
        let at = (NOW - minutes * MINUTE) / 1000;
        scene
            .put(&json!({"MetricName": "m", "Value": value, "Unit": unit, "Timestamp": at}))
            .unwrap();
    }
    // NOW is 20 seconds into minute 13 of an hour, which thus began in the minute before now.
    let all = scene.values("Sum", 60, &json!({}));
    assert_eq!(all, [(-6, 12.0), (-2, 2.0), (-1, 1.0)]);
    assert_eq!(scene.values("Sum", 1, &json!({})), all);
    let counts = scene.values("Sum", 300, &json!({"Unit": "Count"}));
    assert_eq!(counts, [(-9, 4.0), (-4, 3.0)]);
}

#[test]
fn pages_of_values_go_on_where_the_one_before_ended() {
    let scene = Scene::new();
    for minutes in 0..5 {
        let at = (NOW - minutes * MINUTE) / 1000;
        scene.put(&json!({"MetricName": "m", "Value": minutes, "Timestamp": at})).unwrap();
    }
    let stat = json!({"Metric": {"Namespace": "app", "MetricName": "m"}, "Period": 60,
        "Stat": "Sum"});
    let mut input = json!({"StartTime": NOW / 1000 - 3600, "EndTime": NOW / 1000 + 60,
        "MaxDatapoints": 4, "MetricDataQueries": [
            {"Id": "a", "MetricStat": stat}, {"Id": "b", "MetricStat": stat}]});
    let (mut values, mut codes) = (Vec::new(), Vec::new());
    loop {
        let output = scene.ask(Operation::GetMetricData, &input).unwrap();
        for result in output["MetricDataResults"].as_array().unwrap() {
            values.extend(result["Values"].as_array().unwrap().clone());
            codes.push(result["StatusCode"].as_str().unwrap().to_owned());
        }
        let Some(token) = output.get("NextToken") else { break };
        input["NextToken"] = token.clone();
    }
    let numbers: Vec<_> = values.iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(numbers, [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(codes.last().unwrap(), "Complete");
    input["NextToken"] = json!("mine");
    let refused = scene.ask(Operation::GetMetricData, &input).unwrap_err();
    assert_eq!(refused.code, "InvalidNextToken");
}

#[test]
fn metrics_are_listed_by_namespace_name_and_dimensions() {
    let scene = Scene::new();
    let dimensions = json!([{"Name": "B", "Value": "2"}, {"Name": "A", "Value": "1"}]);
    scene.put(&json!({"MetricName": "with", "Value": 1, "Dimensions": dimensions})).unwrap();
    scene.put(&json!({"MetricName": "without", "Value": 1})).unwrap();
    assert_eq!(scene.names(&json!({})), ["with", "without"]);
    assert_eq!(scene.names(&json!({"MetricName": "without"})), ["without"]);
    assert_eq!(scene.names(&json!({"Dimensions": [{"Name": "A"}]})), ["with"]);
    let two = json!([{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "3"}]);
    assert!(scene.names(&json!({"Dimensions": two})).is_empty());
    assert!(scene.names(&json!({"Namespace": "other"})).is_empty());
    let other = Scene { account: "111122223333", ..scene };
    assert!(other.names(&json!({})).is_empty(), "another account's");
}

#[test]
fn long_listings_come_in_pages() {
    let scene = Scene::new();
    for n in 0..1200 {
        scene.put(&json!({"MetricName": format!("m{n}"), "Value": 1})).unwrap();
    }
    let first = scene.ask(Operation::ListMetrics, &json!({})).unwrap();
    assert_eq!(first["Metrics"].as_array().unwrap().len(), 500);
    let mut token = first["NextToken"].clone();
    let mut more = Vec::new();
    while !token.is_null() {
        let input = json!({"NextToken": token});
        more.push(scene.names(&input).len());
        token = scene.ask(Operation::ListMetrics, &input).unwrap()["NextToken"].clone();
    }
    assert_eq!(more, [500, 200]);
}

#[test]
fn metrics_are_gone_after_three_hours() {
    let mut scene = Scene::new();
    scene.put(&json!({"MetricName": "m", "Value": 1})).unwrap();
    scene.now += 179 * MINUTE;
    assert_eq!(scene.names(&json!({})), ["m"]);
    scene.put(&json!({"MetricName": "late", "Value": 1, "Timestamp": NOW / 1000 - 600})).unwrap();
    assert_eq!(scene.names(&json!({})), ["m"], "what is too old is left out");
    scene.now += 3 * MINUTE;
    assert!(scene.names(&json!({})).is_empty());
}

/// Where nobody but the test puts metrics.
struct Store {
    store: MetricStore,
    owner: Namespace,
}

impl Store {
    fn new() -> Self {
        let owner = Namespace {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        Self { store: MetricStore::default(), owner }
    }

    fn put(&self, name: &str, value_length: usize, at: i64) {
        let dimensions = vec![("Name".to_owned(), "v".repeat(value_length)); 30];
        let metric = Metric { namespace: "app".to_owned(), name: name.to_owned(), dimensions };
        let (at, now) = (Timestamp::from_millis(at), Timestamp::from_millis(NOW));
        self.store.put(&self.owner, metric, "None", at, Statistics::of(1.0, 1.0), now);
    }

    fn metrics(&self) -> Vec<Arc<Metric>> {
        self.store.metrics(&self.owner, Timestamp::from_millis(NOW))
    }
}

#[test]
fn what_was_silent_longest_goes_when_there_is_too_much() {
    let store = Store::new();
    for n in 0..3000 {
        store.put(&format!("m{n}"), 1024, NOW);
        store.put("busy", 1024, NOW);
    }
    let names = store.metrics();
    assert!((700..1200).contains(&names.len()), "{} are left", names.len());
    let has = |name| names.iter().any(|metric| metric.name == name);
    assert!(has("busy") && has("m2999") && !has("m0"));
}

#[test]
fn the_oldest_minutes_go_before_any_metric() {
    let store = Store::new();
    for age in (0..180).rev() {
        for n in 0..3000 {
            store.put(&format!("m{n}"), 0, NOW - age * MINUTE);
        }
    }
    let metrics = store.metrics();
    assert_eq!(metrics.len(), 3000);
    let now = Timestamp::from_millis(NOW);
    for metric in metrics {
        let minutes = store.store.minutes(&store.owner, &metric, now);
        assert!((60..180).contains(&minutes.len()), "{} are left", minutes.len());
        assert_eq!(minutes.last().unwrap().start.millis().div_euclid(MINUTE), NOW / MINUTE);
    }
}

#[test]
fn a_page_of_metrics_has_a_bound_in_bytes() {
    let scene = Scene::new();
    let dimensions: Vec<_> =
        (0..30).map(|n| json!({"Name": format!("{n}"), "Value": "v".repeat(1024)})).collect();
    for n in 0..100 {
        let name = format!("m{n}");
        scene.put(&json!({"MetricName": name, "Value": 1, "Dimensions": dimensions})).unwrap();
    }
    let (mut input, mut pages) = (json!({}), Vec::new());
    loop {
        let output = scene.ask(Operation::ListMetrics, &input).unwrap();
        assert!(output.to_string().len() < 2 << 20);
        pages.push(output["Metrics"].as_array().unwrap().len());
        let Some(token) = output.get("NextToken") else { break };
        input["NextToken"] = token.clone();
    }
    assert_eq!(pages.iter().sum::<usize>(), 100);
    assert!(pages.len() > 2, "{pages:?}");
    let filters = json!({"Dimensions": vec![json!({"Name": "A"}); 11]});
    let refused = scene.ask(Operation::ListMetrics, &filters).unwrap_err();
    assert_eq!(refused.message, "The collection Dimensions must not have a size greater than 10.");
}

#[test]
fn what_cant_be_put_is_refused_by_name() {
    let scene = Scene::new();
    let at = |place: &str| format!("MetricData.member.1.{place}");
    assert_eq!(
        scene.refused(&json!({"Value": 1})),
        format!("The parameter {} is required.", at("MetricName"))
    );
    let both = scene.refused(&json!({"MetricName": "m", "Value": 1, "Values": [1]}));
    assert_eq!(
        both,
        format!(
            "The parameters {} and {} are mutually exclusive and you have specified both.",
            at("Value"),
            at("Values")
        )
    );
    let refused = [
        (json!({"MetricName": "m", "Value": "x"}), "Value"),
        (json!({"MetricName": "m", "Value": "NaN"}), "Value"),
        (json!({"MetricName": "m", "Value": 1e200}), "Value"),
        (json!({"MetricName": "m", "Value": 1, "Unit": "Apples"}), "Unit"),
        (json!({"MetricName": "m", "Value": 1, "Timestamp": NOW / 1000 + 7201}), "Timestamp"),
        (
            json!({"MetricName": "m", "Value": 1, "Timestamp": NOW / 1000 - 14 * 86_400 - 1}),
            "Timestamp",
        ),
        (json!({"MetricName": "m", "Value": 1, "Timestamp": "yesterday"}), "Timestamp"),
        (json!({"MetricName": "m", "Values": [1, 2], "Counts": [1]}), "Counts"),
        (json!({"MetricName": "m", "Values": [1], "Counts": [0]}), "Counts.member.1"),
        (json!({"MetricName": "m", "Values": vec![1; 151]}), "Values"),
        (
            json!({"MetricName": "m", "StatisticValues": {"SampleCount": 1, "Sum": 1,
            "Minimum": 2, "Maximum": 1}}),
            "StatisticValues",
        ),
        (
            json!({"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "A"}]}),
            "Dimensions.member.1.Value",
        ),
        (
            json!({"MetricName": "m", "Value": 1,
                "Dimensions": vec![json!({"Name": "A", "Value": "1"}); 31]}),
            "Dimensions",
        ),
    ];
    for (datum, place) in refused {
        let message = scene.refused(&datum);
        assert!(message.contains(&at(place)), "{datum}: {message}");
    }
    let input =
        json!({"Namespace": "AWS/Kinesis", "MetricData": [{"MetricName": "m", "Value": 1}]});
    let reserved = scene.ask(Operation::PutMetricData, &input).unwrap_err();
    assert_eq!(reserved.message, "The value AWS/Kinesis for parameter Namespace is invalid.");
    assert!(scene.names(&json!({})).is_empty(), "a refused call leaves nothing");
}

#[test]
fn what_isnt_served_is_said_so() {
    let scene = Scene::new();
    let ask = |query: &Value| {
        let input = json!({"StartTime": 0, "EndTime": 60, "MetricDataQueries": [query]});
        scene.ask(Operation::GetMetricData, &input).unwrap_err()
    };
    let stat = |stat: &str, period: u32| {
        let metric = json!({"Namespace": "app", "MetricName": "m"});
        json!({"Id": "a", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}})
    };
    let id = "The value M-1 for parameter MetricDataQueries.member.1.Id is invalid.";
    assert_eq!(ask(&json!({"Id": "M-1"})).message, id);
    let refused = [
        ask(&json!({"Id": "a", "Expression": "m1/2"})),
        ask(&stat("p99", 60)),
        ask(&stat("Sum", 61)),
    ];
    for fault in refused {
        assert_eq!(fault.shape, "ValidationException", "{fault:?}");
    }
}
