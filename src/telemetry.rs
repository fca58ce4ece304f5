//! Logs: structured events on standard error, for people or for machines.
//!
//! Nothing that is secret may be a field of an event: no signature, no secret key, no record.

use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, fmt::MakeWriter, layer::SubscriberExt};

use crate::config::LogFormat;

/// Sends this process' events to standard error from now on.
///
/// # Errors
/// A sentence, when `filter` is not a filter or events already go somewhere else.
pub fn init(format: LogFormat, filter: &str) -> Result<(), String> {
    let subscriber = subscriber(format, filter, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
    is_terminal: bool,
) -> Result<impl Subscriber + Send + Sync, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let lines = fmt::layer().with_writer(writer).with_ansi(is_terminal);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(lines),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(true)),
    };
    Ok(Registry::default().with(lines.with_filter(filter)))
}

/// Time between two warnings of the same kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Keeps a warning from filling the log.
#[derive(Debug, Default)]
pub(crate) struct Warning(Mutex<Option<Instant>>);

impl Warning {
    /// Whether to warn now. It isn't due again for some time then.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(format, filter, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(stream = "clicks", shards = 4, "stream created");
            tracing::debug!("not shown");
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_is_one_plain_line_an_event() {
        let text = logged(LogFormat::Text, "info");
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("INFO"), "{text}");
        assert!(text.ends_with("stream created stream=\"clicks\" shards=4\n"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line_with_fields_on_top() {
        let text = logged(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1);
        let expected = r#""level":"INFO","message":"stream created","stream":"clicks","shards":4"#;
        assert!(text.contains(expected), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_warning_is_not_repeated_before_its_time() {
        let warning = Warning::default();
        assert!(warning.is_due());
        assert!(!warning.is_due());
        tokio::time::advance(WARNING_INTERVAL).await;
        assert!(warning.is_due());
    }

    #[test]
    fn the_filter_decides() {
        assert_eq!(logged(LogFormat::Text, "warn"), "");
        assert_eq!(logged(LogFormat::Text, "warn,millpond=debug").lines().count(), 2);
        assert!(subscriber(LogFormat::Text, "a=b=c", io::sink, false).is_err());
    }
}
