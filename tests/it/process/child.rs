//! A running program, ended when it goes out of sight.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;

/// How often a connection is tried at most while the listener is closing.
const CONNECTS_MAX: usize = 100_000;

/// A server of this build.
pub(super) struct Millpond {
    child: Child,
    addr: SocketAddr,
    banner: String,
    log: Option<JoinHandle<String>>,
    // Kept open, lest a later line of the server break its pipe.
    _stdout: BufReader<ChildStdout>,
}

fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millpond"));
    command.args(arguments.split_whitespace()).env_clear().stdin(Stdio::null());
    command
}

/// The program with these arguments and variables, which is started with its outputs to be read.
pub(super) fn start(arguments: &str, variables: &[(&str, &str)]) -> Child {
    let mut command = command(arguments);
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs the program until it ends by itself: its exit code, and what it printed on both outputs.
pub(super) fn run_to_end(arguments: &str) -> (Option<i32>, String, String) {
    run_in(arguments, &[])
}

/// The same with these environment variables.
pub(super) fn run_in(arguments: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    run_with_input(arguments, variables, b"")
}

/// The same with this on its standard input.
pub(super) fn run_with_input(
    arguments: &str,
    variables: &[(&str, &str)],
    input: &[u8],
) -> (Option<i32>, String, String) {
    let mut command = command(arguments);
    command.envs(variables.iter().copied()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever doesn't read it may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

impl Millpond {
    /// Starts it and waits until it says where it listens.
    pub(super) fn start(arguments: &str) -> Self {
        Self::start_in(arguments, &[])
    }

    /// Starts it with these environment variables.
    pub(super) fn start_in(arguments: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        // Whatever is logged is read, so that the server never waits for it.
        let log = thread::spawn(move || io::read_to_string(stderr).unwrap());
        let mut banner = String::new();
        let addr = loop {
            let line_start = banner.len();
            let ended = stdout.read_line(&mut banner).unwrap() == 0;
            assert!(!ended, "the server ended and said: {}", log.join().unwrap());
            if let Some(addr) = addr_in(&banner[line_start..]) {
                break addr;
            }
        };
        while !banner.contains("list-streams") {
            assert_ne!(stdout.read_line(&mut banner).unwrap(), 0, "the banner ends: {banner}");
        }
        Self { child, addr, banner, log: Some(log), _stdout: stdout }
    }

    /// Starts it, stops it when it has logged a line, and tells what it wrote on both outputs.
    pub(super) fn say_all(arguments: &str) -> (String, String) {
        let mut command = command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        stderr.read_line(&mut log).unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        log += &io::read_to_string(stderr).unwrap();
        let output = io::read_to_string(child.stdout.take().unwrap()).unwrap();
        child.wait().unwrap();
        (output, log)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn banner(&self) -> &str {
        &self.banner
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client on a connection of its own.
    pub(super) fn client(&self) -> Client {
        Client::connect(self.addr).unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until no new connection is taken.
    pub(super) fn wait_until_deaf(&self) {
        let refused = (0..CONNECTS_MAX).any(|_| {
            thread::yield_now();
            TcpStream::connect(self.addr).is_err()
        });
        assert!(refused, "the server takes connections after the signal");
    }

    /// The exit code, once the program has ended by itself.
    pub(super) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// What it has logged, once it has ended well after a signal.
    pub(super) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.log.take().unwrap().join().unwrap()
    }

    /// Ends it as a crash would: at once, wherever it is.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Millpond {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line of the banner.
fn addr_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("endpoint  http://")?;
    rest.split([',', '\n']).next()?.parse().ok()
}
