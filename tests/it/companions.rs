//! Requests to CloudWatch and STS on the port of Kinesis.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use http::StatusCode;
use minicbor::{Decoder, Encoder};
use serde_json::{Value, json};

use crate::{
    server::{START_MILLIS, TestServer},
    signing::Signer,
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const CBOR: (&str, &str) = ("content-type", "application/cbor");
const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const CBOR_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";

/// One metric, as a form.
const PUT: &str = "Action=PutMetricData&Version=2010-08-01&Namespace=app\
    &MetricData.member.1.MetricName=form&MetricData.member.1.Value=1";

async fn server() -> TestServer {
    TestServer::run(&Signer::flags()).await
}

/// The status and the body of what a form to a service is answered with.
pub(crate) async fn form(
    server: &TestServer,
    signer: &Signer,
    service: &str,
    body: &str,
) -> (StatusCode, String) {
    let answer = server.send(signer.sign(service, "/", &[FORM], body.as_bytes())).await;
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

/// The same for JSON to an operation of CloudWatch, which succeeds.
async fn cloudwatch(server: &TestServer, operation: &str, input: &Value) -> Value {
    let signer = Signer::known(server.now());
    let target = format!("GraniteServiceVersion20100801.{operation}");
    let headers = [JSON, ("x-amz-target", &*target)];
    let body = input.to_string();
    let answer = server.send(signer.sign("monitoring", "/", &headers, body.as_bytes())).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}

async fn names(server: &TestServer) -> Vec<Value> {
    let listed = cloudwatch(server, "ListMetrics", &json!({})).await;
    let metrics = listed["Metrics"].as_array().unwrap().iter();
    metrics.map(|metric| metric["MetricName"].clone()).collect()
}

#[tokio::test]
async fn metrics_are_put_in_every_protocol() {
    let server = server().await;
    let signer = Signer::known(START_MILLIS);
    let (status, xml) = form(&server, &signer, "monitoring", PUT).await;
    assert_eq!(status, StatusCode::OK, "{xml}");
    assert!(xml.starts_with("<PutMetricDataResponse "), "{xml}");

    let mut body = Encoder::new(Vec::new());
    body.map(2).unwrap().str("Namespace").unwrap().str("app").unwrap();
    body.str("MetricData").unwrap().array(1).unwrap().map(2).unwrap();
    body.str("MetricName").unwrap().str("cbor").unwrap().str("Value").unwrap().u8(1).unwrap();
    let (path, body) = (format!("{CBOR_PATH}PutMetricData"), body.into_writer());
    let headers = [CBOR, ("smithy-protocol", "rpc-v2-cbor")];
    let answer = server.send(signer.sign("monitoring", &path, &headers, &body)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["smithy-protocol"], "rpc-v2-cbor");
    assert!(answer.body.is_empty());

    let data = json!([{"MetricName": "json", "Value": 1}]);
    let put = json!({"Namespace": "app", "MetricData": data});
    assert_eq!(cloudwatch(&server, "PutMetricData", &put).await, json!({}));
    assert_eq!(names(&server).await, ["cbor", "form", "json"]);
}

#[tokio::test]
async fn large_calls_come_packed_and_small_bodies_stay_small() {
    let server = server().await;
    let signer = Signer::known(START_MILLIS);
    let pack = |text: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    };
    let packed = [FORM, ("content-encoding", "gzip")];
    let send = async |body: &[u8]| server.send(signer.sign("monitoring", "/", &packed, body)).await;
    assert_eq!(send(&pack(PUT.as_bytes())).await.status, StatusCode::OK);
    assert_eq!(names(&server).await, ["form"]);

    let bomb = send(&pack(&vec![b'a'; 64 << 20])).await;
    assert_eq!(bomb.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(b"no gzip").await.status, StatusCode::BAD_REQUEST);

    let large = [PUT.as_bytes(), b"&x=", &vec![b'a'; 1 << 20]].concat();
    let answer = server.send(signer.sign("monitoring", "/", &[FORM], &large)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn sts_tells_who_is_calling() {
    let server = server().await;
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let (status, xml) = form(&server, &Signer::known(START_MILLIS), "sts", who).await;
    assert_eq!(status, StatusCode::OK, "{xml}");
    let told = "<GetCallerIdentityResult><Account>123456789012</Account>\
                <Arn>arn:aws:iam::123456789012:user/AKIDEXAMPLE</Arn>\
                <UserId>AKIDEXAMPLE</UserId></GetCallerIdentityResult>";
    assert!(xml.contains(told), "{xml}");
}

#[tokio::test]
async fn signatures_are_verified_for_the_service_that_they_name() {
    let server = server().await;
    let good = Signer::known(START_MILLIS);
    let code = async |signer: &Signer, service| {
        let (status, xml) = form(&server, signer, service, PUT).await;
        let code = xml.split("<Code>").nth(1).and_then(|rest| rest.split('<').next());
        (status.as_u16(), code.unwrap_or_default().to_owned())
    };
    let wrong = Signer { secret: "another", ..good.clone() };
    assert_eq!(code(&wrong, "monitoring").await, (403, "SignatureDoesNotMatch".to_owned()));
    let unknown = Signer { id: "AKIDNOBODY", ..good.clone() };
    assert_eq!(code(&unknown, "monitoring").await, (403, "InvalidClientTokenId".to_owned()));
    // STS has no such operation.
    assert_eq!(code(&good, "sts").await, (400, "InvalidAction".to_owned()));

    let target = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "Kinesis_20131202.ListStreams"),
    ];
    let elsewhere = server.send(good.sign("monitoring", "/", &target, b"{}")).await.outcome();
    let refusal = elsewhere.unwrap_err();
    assert_eq!(refusal.code, "InvalidSignatureException");
    assert!(refusal.message.contains("correct service: 'kinesis'"), "{}", refusal.message);
}

#[tokio::test]
async fn an_error_has_its_name_in_every_protocol() {
    let server = server().await;
    let signer = Signer::known(START_MILLIS);
    let (status, xml) = form(&server, &signer, "monitoring", "Action=PutMetricData").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(xml.contains("<Code>MissingParameter</Code>"), "{xml}");

    let path = format!("{CBOR_PATH}PutMetricData");
    let answer = server.send(signer.sign("monitoring", &path, &[CBOR], b"\xa0")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["x-amzn-query-error"], "MissingParameter;Sender");
    let mut body = Decoder::new(&answer.body);
    assert_eq!(body.map().unwrap(), Some(2));
    assert_eq!(body.str().unwrap(), "__type");
    assert_eq!(body.str().unwrap(), "MissingRequiredParameterException");
}

/// What an operation of Kinesis answers with.
async fn kinesis(server: &TestServer, operation: &str, input: Value) -> Value {
    let signer = Signer::known(server.now());
    server.send(signer.request(operation, &input.to_string())).await.outcome().unwrap()
}

async fn create_clicks(server: &TestServer) {
    kinesis(server, "CreateStream", json!({"StreamName": "clicks", "ShardCount": 1})).await;
    server.advance(Duration::from_secs(1)).await;
}

async fn put_clicks(server: &TestServer, records: usize) {
    for _ in 0..records {
        let put = json!({"StreamName": "clicks", "PartitionKey": "key", "Data": "aGVsbG8="});
        kinesis(server, "PutRecord", put).await;
    }
}

/// How many records came to the stream `clicks`, in each minute of the first hour that any came in.
async fn incoming_records(server: &TestServer) -> Value {
    let metric = json!({"Namespace": "AWS/Kinesis", "MetricName": "IncomingRecords",
        "Dimensions": [{"Name": "StreamName", "Value": "clicks"}]});
    let stat = json!({"Metric": metric, "Period": 60, "Stat": "Sum"});
    let input = json!({"StartTime": START_MILLIS / 1000, "EndTime": START_MILLIS / 1000 + 3600,
        "ScanBy": "TimestampAscending", "MetricDataQueries": [{"Id": "r", "MetricStat": stat}]});
    let data = cloudwatch(server, "GetMetricData", &input).await;
    data["MetricDataResults"][0].clone()
}

#[tokio::test]
async fn streams_have_the_metrics_of_kinesis() {
    let server = server().await;
    let _gathering = server.gather_metrics();
    let signer = Signer::known(START_MILLIS);
    let ask = async |operation: &str, input: Value| {
        server.send(signer.request(operation, &input.to_string())).await.outcome().unwrap()
    };
    ask("CreateStream", json!({"StreamName": "clicks", "ShardCount": 2})).await;
    server.advance(Duration::from_secs(1)).await;
    let enable = json!({"StreamName": "clicks", "ShardLevelMetrics": ["IncomingBytes"]});
    ask("EnableEnhancedMonitoring", enable).await;
    for _ in 0..3 {
        let put = json!({"StreamName": "clicks", "PartitionKey": "key", "Data": "aGVsbG8="});
        ask("PutRecord", put).await;
    }
    server.advance(Duration::from_secs(58)).await;
    assert!(names(&server).await.is_empty());
    server.advance(Duration::from_secs(1)).await;
    let listed = cloudwatch(&server, "ListMetrics", &json!({"Namespace": "AWS/Kinesis"})).await;
    let dimension = |name: &str, value: &str| json!({"Name": name, "Value": value});
    let of_stream = vec![dimension("StreamName", "clicks")];
    let of_shard =
        vec![dimension("ShardId", "shardId-000000000000"), dimension("StreamName", "clicks")];
    let metric = |name: &str, dimensions: &[Value]| {
        let namespace = "AWS/Kinesis";
        json!({"Namespace": namespace, "MetricName": name, "Dimensions": dimensions})
    };
    assert_eq!(
        listed["Metrics"],
        json!([
            metric("IncomingBytes", &of_shard),
            metric("IncomingBytes", &of_stream),
            metric("IncomingRecords", &of_stream),
        ])
    );
    let query = |id: &str, metric: Value| {
        let stat = json!({"Metric": metric, "Period": 60, "Stat": "Sum"});
        json!({"Id": id, "MetricStat": stat})
    };
    let queries = [
        query("r", metric("IncomingRecords", &of_stream)),
        query("b", metric("IncomingBytes", &of_shard)),
    ];
    let (start, end) = (START_MILLIS / 1000, START_MILLIS / 1000 + 600);
    let input = json!({"StartTime": start, "EndTime": end, "MetricDataQueries": queries});
    let data = cloudwatch(&server, "GetMetricData", &input).await;
    let values = |at: usize| data["MetricDataResults"][at]["Values"].clone();
    assert_eq!(values(0), json!([3.0]));
    assert_eq!(values(1), json!([24.0]), "data and partition keys");
}

#[tokio::test]
async fn a_move_of_the_clock_leaves_what_was_counted_in_its_minute() {
    let server = server().await;
    let _gathering = server.gather_metrics();
    create_clicks(&server).await;
    for _ in 0..2 {
        put_clicks(&server, 1).await;
        server.advance(Duration::from_mins(30)).await;
    }
    let result = incoming_records(&server).await;
    assert_eq!(result["Values"], json!([1.0, 1.0]));
    let first = u32::try_from(START_MILLIS / 1000).unwrap();
    let minute = |minutes: u32| f64::from((first + minutes * 60) / 60 * 60);
    let minutes: Vec<_> =
        result["Timestamps"].as_array().unwrap().iter().map(|at| at.as_f64().unwrap()).collect();
    assert_eq!(minutes, [minute(1), minute(31)]);
}

#[tokio::test]
async fn a_restored_stream_is_counted_from_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all").to_str().unwrap().to_owned();
    let server = TestServer::new().await;
    let _gathering = server.gather_metrics();
    create_clicks(&server).await;
    put_clicks(&server, 30).await;
    server.administer("POST", "snapshot", json!({ "to": path })).await;
    server.advance(Duration::from_mins(1)).await;
    assert_eq!(incoming_records(&server).await["Values"], json!([30.0]));
    server.administer("POST", "restore", json!({ "from": path })).await;
    put_clicks(&server, 20).await;
    server.advance(Duration::from_mins(1)).await;
    assert_eq!(incoming_records(&server).await["Values"], json!([20.0]), "not 30 less");
}
