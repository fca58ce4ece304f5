//! Where spans go: our own setting, or else the variables that OpenTelemetry has for every program.

use std::ffi::OsString;

use super::Refused;
use crate::traces::{CollectorUrl, TraceSettings};

/// A collector for all signals, and one for traces only, whose URL is complete.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// How to speak to them.
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";

/// The one protocol that we send.
const SENT_PROTOCOL: &str = "http/protobuf";

/// What the collector knows us by.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Where spans go, if anywhere.
pub(super) fn settings(
    flag: Option<CollectorUrl>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<TraceSettings>, Refused> {
    // A variable that is set to nothing says nothing, there as here.
    let text = |name| {
        let text = variable(name).and_then(|text| text.into_string().ok());
        text.filter(|text| !text.is_empty())
    };
    let url = match flag {
        Some(url) => Some(url.of_traces()),
        None if is_off(&text) => None,
        None => said_by_opentelemetry(&text)?,
    };
    Ok(url.map(|url| TraceSettings { url, service: text(SERVICE_NAME) }))
}

/// Whether OpenTelemetry's variables ask for no traces.
fn is_off(text: &impl Fn(&'static str) -> Option<String>) -> bool {
    let is = |name, wanted: &str| text(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none")
}

fn said_by_opentelemetry(
    text: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<CollectorUrl>, Refused> {
    let (name, url) = match (text(TRACES_ENDPOINT), text(ENDPOINT)) {
        (Some(url), _) => (TRACES_ENDPOINT, url),
        (None, Some(url)) => (ENDPOINT, url),
        (None, None) => return Ok(None),
    };
    for protocol in [TRACES_PROTOCOL, PROTOCOL] {
        match text(protocol) {
            Some(said) if said == SENT_PROTOCOL => break,
            Some(said) => {
                return Err(Refused(format!(
                    "{protocol}: traces are sent by {SENT_PROTOCOL} only, not by {said}: name \
                     another collector with --otlp-endpoint URL, or set OTEL_TRACES_EXPORTER=none"
                )));
            }
            None => {}
        }
    }
    let url: CollectorUrl = url.parse().map_err(|error| Refused(format!("{name}: {error}")))?;
    Ok(Some(if name == ENDPOINT { url.of_traces() } else { url }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, text)| OsString::from(text))
        };
        let settings = settings(flag.map(|url| url.parse().unwrap()), &variable);
        let settings = settings.map_err(|refused| refused.to_string())?;
        Ok(settings.map(|TraceSettings { url, service }| {
            format!("{} {url}", service.unwrap_or_default()).trim().to_owned()
        }))
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where() {
        assert_eq!(said(None, &[]), Ok(None));
        assert_eq!(said(None, &[(SERVICE_NAME, "pond"), (ENDPOINT, "")]), Ok(None));
    }

    #[test]
    fn our_own_setting_counts_before_opentelemetrys() {
        let (ours, all) = ("http://a:4318/v1/traces", (ENDPOINT, "http://b:4318/"));
        let traces = (TRACES_ENDPOINT, "http://c:4318/spans");
        let off = ("OTEL_SDK_DISABLED", "TRUE");
        let none = ("OTEL_TRACES_EXPORTER", "none");
        let url = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(said(Some("http://a:4318"), &[all, traces, off]), url(ours));
        assert_eq!(said(None, &[all, traces]), url("http://c:4318/spans"));
        assert_eq!(said(None, &[all]), url("http://b:4318/v1/traces"));
        assert_eq!(said(None, &[all, (SERVICE_NAME, "p")]), url("p http://b:4318/v1/traces"));
        assert_eq!(said(None, &[all, off]), Ok(None));
        assert_eq!(said(None, &[traces, none]), Ok(None));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let all = (ENDPOINT, "http://b:4317");
        let error = said(None, &[all, (PROTOCOL, "grpc")]).unwrap_err();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by"), "{error}");
        let error = said(None, &[all, (TRACES_PROTOCOL, "http/json")]).unwrap_err();
        assert!(error.contains("not by http/json"), "{error}");
        let both = [all, (TRACES_PROTOCOL, SENT_PROTOCOL), (PROTOCOL, "grpc")];
        assert!(said(None, &both).is_ok());
        let error = said(None, &[(ENDPOINT, "b:4317")]).unwrap_err();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: it is http://"), "{error}");
    }
}
