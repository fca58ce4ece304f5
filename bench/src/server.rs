//! A server under test: a child process, found by its banner and stopped with the bench.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::usage::written_bytes;

/// How long a server may take to say where it listens, and to end.
const START_MAX: Duration = Duration::from_mins(1);
const STOP_MAX: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(5);
/// Lines kept while the banner is awaited; what comes later is dropped.
const LINES_MAX: usize = 256;

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// When the process was asked for.
    pub(crate) spawned: Instant,
    /// Whether it tells by its exit status that it ended well.
    tells_its_end: bool,
}

impl Server {
    /// Starts `program` and waits for a line with its address, `http://127.0.0.1:PORT`.
    ///
    /// The child's environment is empty, so that its arguments tell all about it.
    pub(crate) async fn start(program: &Path, arguments: &[String]) -> Result<Self> {
        let (mut server, lines) = Self::spawn(program, arguments, &[])?;
        let address = timeout(START_MAX, banner(lines));
        server.address = address.await.context("the server did not say where it listens")??;
        Ok(server)
    }

    /// Starts a server of others, which was told where to listen, and waits until it does.
    ///
    /// These variables are all of the child's environment.
    pub(crate) async fn start_at(
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
        address: SocketAddr,
    ) -> Result<Self> {
        let (mut server, mut lines) = Self::spawn(program, arguments, variables)?;
        server.address = address;
        server.tells_its_end = false;
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(address).await.is_err() {
            if server.child.try_wait()?.is_some() {
                let seen = std::iter::from_fn(|| lines.try_recv().ok()).collect::<Vec<_>>();
                bail!("the server ended and said: {}", seen.join(" / "));
            }
            ensure!(Instant::now() < deadline, "the server did not listen within {START_MAX:?}");
            sleep(POLL).await;
        }
        Ok(server)
    }

    fn spawn(
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
    ) -> Result<(Self, mpsc::Receiver<String>)> {
        let spawned = Instant::now();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { child, address: nowhere, spawned, tells_its_end: true };
        let (sender, lines) = mpsc::channel(LINES_MAX);
        forward(server.child.stdout.take().context("no standard output")?, sender.clone());
        forward(server.child.stderr.take().context("no standard error")?, sender);
        Ok((server, lines))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to end and waits until it has. Answers how many bytes it sent towards the
    /// disk in its life, the last flush included; `None` where the kernel doesn't count them.
    pub(crate) async fn stop(mut self) -> Result<Option<u64>> {
        self.end().await
    }

    /// The same for who goes on with another in its place.
    pub(crate) async fn end(&mut self) -> Result<Option<u64>> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).context("stopping the server")?;
        let deadline = Instant::now() + STOP_MAX;
        // Its counters can be read until somebody has waited for it.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while Instant::now() < deadline {
            if waitid(WaitId::Pid(pid), look)?.is_some() {
                let written = written_bytes(self.pid());
                let status = self.child.wait()?;
                let well = status.success() || !self.tells_its_end;
                ensure!(well, "the server ended with {status}");
                return Ok(written);
            }
            sleep(POLL).await;
        }
        bail!("the server did not end within {STOP_MAX:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended, which is all that is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Passes on lines while somebody wants them, then reads on, lest the server wait on a pipe.
fn forward(pipe: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            drop(lines.try_send(line));
        }
    });
}

async fn banner(mut lines: mpsc::Receiver<String>) -> Result<SocketAddr> {
    let mut seen = Vec::new();
    while let Some(line) = lines.recv().await {
        if let Some(address) = address(&line) {
            return Ok(address);
        }
        seen.push(line);
    }
    bail!("the server ended and said: {}", seen.join(" / "));
}

/// The address in a line of a banner.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.split(|char: char| !char.is_ascii_digit()).next()?;
    let port = digits.parse().ok().filter(|&port| port != 0)?;
    Some((Ipv4Addr::LOCALHOST, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> [String; 2] {
        ["-c".into(), script.into()]
    }

    #[test]
    fn an_address_is_found_in_text_and_in_json() {
        let expected = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4567)));
        assert_eq!(address("endpoint   http://127.0.0.1:4567"), expected);
        assert_eq!(address(r#"{"endpoint":"http://127.0.0.1:4567/","x":1}"#), expected);
        assert_eq!(address("http://127.0.0.1:0"), None);
        assert_eq!(address("http://127.0.0.1:99999"), None);
        assert_eq!(address("https://127.0.0.1:4567"), None);
    }

    #[tokio::test]
    async fn a_banner_on_standard_error_is_found_and_the_process_ends_when_asked() {
        for (code, ends_well) in [(0, true), (1, false)] {
            let script = format!(
                "trap 'exit {code}' TERM; echo hello; echo at http://127.0.0.1:99 >&2; \
                 while :; do sleep 1 & wait; done"
            );
            let server = Server::start(Path::new("/bin/sh"), &shell(&script)).await.unwrap();
            assert_eq!(server.address.port(), 99);
            assert!(Path::new(&format!("/proc/{}", server.pid())).exists());
            assert_eq!(server.stop().await.is_ok(), ends_well);
        }
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_quoted() {
        let script = "echo no such flag >&2; exit 2";
        let error = Server::start(Path::new("/bin/sh"), &shell(script)).await.unwrap_err();
        assert!(error.to_string().contains("no such flag"), "{error}");
    }

    #[tokio::test]
    async fn a_server_of_others_is_there_when_it_listens_and_may_end_as_it_likes() {
        let (program, script) = (Path::new("/bin/sh"), shell("exec sleep 60"));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start_at(program, &script, &[], address).await.unwrap();
        server.stop().await.unwrap();
        drop(listener);
        let script = shell("echo $WHY; exit 2");
        let variables = [("WHY", "because".to_owned())];
        let error = Server::start_at(program, &script, &variables, address).await.unwrap_err();
        assert!(error.to_string().starts_with("the server ended and said"), "{error}");
    }
}
