//! The same input and output in each protocol, and what is none of them.

use millpond_api::types::Timestamp;
use minicbor::{Encoder, data::IanaTag};

use super::*;
use crate::companions::tree::Place;

const FORM: &str = "Action=PutMetricData&Version=2010-08-01&Namespace=my%20app\
    &MetricData.member.10.MetricName=tenth\
    &MetricData.member.2.MetricName=second&MetricData.member.2.Value=2.5\
    &MetricData.member.2.Timestamp=2023-11-14T22%3A13%3A20Z";

const JSON: &str = r#"{"Namespace":"my app","MetricData":[
    {"MetricName":"second","Value":2.5,"Timestamp":1700000000,"Unit":null},
    {"MetricName":"tenth"}]}"#;

fn cbor() -> Vec<u8> {
    let mut to = Encoder::new(Vec::new());
    to.begin_map().unwrap().str("Namespace").unwrap().str("my app").unwrap();
    to.str("MetricData").unwrap().array(2).unwrap().map(3).unwrap();
    to.str("MetricName").unwrap().str("second").unwrap().str("Value").unwrap().f32(2.5).unwrap();
    to.str("Timestamp").unwrap().tag(IanaTag::Timestamp).unwrap().u32(1_700_000_000).unwrap();
    to.begin_map().unwrap().str("MetricName").unwrap().begin_str().unwrap();
    to.str("ten").unwrap().str("th").unwrap().end().unwrap().end().unwrap().end().unwrap();
    to.into_writer()
}

#[test]
fn an_input_is_the_same_in_every_protocol() {
    let bodies = [
        (Wire::Query, FORM.as_bytes().to_vec()),
        (Wire::Json, JSON.as_bytes().to_vec()),
        (Wire::Cbor, cbor()),
    ];
    for (wire, body) in bodies {
        let tree = wire.read(&body).unwrap();
        let input = Place::of(&tree);
        assert_eq!(input.at("Namespace").text(), Ok(Some("my app")), "{wire:?}");
        let data = input.at("MetricData").list(10).unwrap();
        let names: Vec<_> = data.iter().map(|datum| datum.at("MetricName").text()).collect();
        assert_eq!(names, [Ok(Some("second")), Ok(Some("tenth"))], "{wire:?}");
        let first = data.first().unwrap();
        assert_eq!(first.at("Value").number(), Ok(Some(2.5)), "{wire:?}");
        let at = first.at("Timestamp").moment().unwrap();
        assert_eq!(at.unwrap().millis(), 1_700_000_000_000, "{wire:?}");
        assert_eq!(first.at("Unit").text(), Ok(None), "{wire:?}");
    }
}

#[test]
fn a_request_says_its_protocol_and_perhaps_its_operation() {
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    assert_eq!(Wire::of(path, None), (Wire::Cbor, Some("PutMetricData")));
    let target = "GraniteServiceVersion20100801.ListMetrics";
    assert_eq!(Wire::of("/", Some(target)), (Wire::Json, Some("ListMetrics")));
    assert_eq!(Wire::of("/", None), (Wire::Query, None));
    assert_eq!(Wire::of("/service/Other/operation/PutMetricData", None), (Wire::Query, None));
}

fn output() -> Tree {
    Tree::map([
        ("Values", Tree::List(vec![Tree::Number(1.0), Tree::Number(0.5)])),
        ("At", Tree::Time(Timestamp::from_millis(1_700_000_000_999))),
        ("Text", "a <&> b\u{1}\n".into()),
    ])
}

fn written(wire: Wire, output: Option<Tree>) -> Vec<u8> {
    wire.write(Answer { service: Service::CloudWatch, operation: "ListMetrics", output }, "the-id")
}

#[test]
fn an_output_is_written_as_each_protocol_has_it() {
    let text = |wire| String::from_utf8(written(wire, Some(output()))).unwrap();
    assert_eq!(
        text(Wire::Query),
        "<ListMetricsResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">\
         <ListMetricsResult><At>2023-11-14T22:13:20Z</At><Text>a &lt;&amp;&gt; b?&#10;</Text>\
         <Values><member>1.0</member><member>0.5</member></Values></ListMetricsResult>\
         <ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></ListMetricsResponse>"
    );
    let json = r#"{"At":1700000000,"Text":"a <&> b\u0001\n","Values":[1.0,0.5]}"#;
    assert_eq!(text(Wire::Json), json);

    let read = Wire::Cbor.read(&written(Wire::Cbor, Some(output()))).unwrap();
    let output = Place::of(&read);
    assert_eq!(output.at("At").number(), Ok(Some(1_700_000_000.0)));
    assert_eq!(output.at("Text").text(), Ok(Some("a <&> b\u{1}\n")));
    assert_eq!(output.at("Values").list(10).unwrap().len(), 2);
}

#[test]
fn an_operation_without_an_output_answers_in_form() {
    let xml = String::from_utf8(written(Wire::Query, None)).unwrap();
    assert!(!xml.contains("Result"), "{xml}");
    assert_eq!(written(Wire::Json, None), b"{}");
    assert!(written(Wire::Cbor, None).is_empty());
}

#[test]
fn a_fault_has_the_name_that_the_protocol_knows_it_by() {
    let fault = Fault::missing("The parameter Namespace is required.".to_owned());
    let told = |wire: Wire| wire.write_fault(Service::Sts, &fault, "the-id");
    let xml = String::from_utf8(told(Wire::Query)).unwrap();
    assert_eq!(
        xml,
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Code>MissingParameter</Code><Message>The parameter Namespace is required.</Message>\
         <Type>Sender</Type></Error><RequestId>the-id</RequestId></ErrorResponse>"
    );
    for wire in [Wire::Json, Wire::Cbor] {
        let tree = wire.read(&told(wire)).unwrap();
        let kind = Place::of(&tree).at("__type").text();
        assert_eq!(kind, Ok(Some("MissingRequiredParameterException")), "{wire:?}");
    }
}

#[test]
fn what_is_none_of_a_protocol_is_refused() {
    assert!(Wire::Json.read(b"{\"a\":").is_err());
    let deep = [0xc1].repeat(100_000);
    for body in [&b"\xa1"[..], b"\xa1\x01\x02", b"\x5f", b"\x9f\x01", &deep] {
        assert!(Wire::Cbor.read(body).is_err(), "{body:?}");
    }
}

#[test]
fn an_input_takes_no_more_memory_than_the_largest_that_is_served() {
    let many = MAPS_MAX + 1;
    let fields: Vec<_> = (0..many).map(|n| format!("a.{n}.b=")).collect();
    let bodies = [
        (Wire::Query, fields.join("&").into_bytes()),
        (Wire::Json, format!("[{}{{}}]", "{},".repeat(many)).into_bytes()),
        (Wire::Cbor, [&b"\x9f"[..], &b"\xa0".repeat(many), b"\xff"].concat()),
        (Wire::Cbor, [&b"\x9f"[..], &b"\x00".repeat(VALUES_MAX), b"\xff"].concat()),
    ];
    for (wire, body) in bodies {
        let refused = wire.read(&body).unwrap_err();
        assert!(refused.message.contains("structures"), "{wire:?}: {}", refused.message);
    }
}

#[test]
fn a_field_that_is_deeper_than_any_input_is_left_out() {
    let deep = ["x"; 1000].join(".");
    assert_eq!(Wire::Query.read(format!("{deep}=1").as_bytes()), Ok(Tree::map([])));
}
