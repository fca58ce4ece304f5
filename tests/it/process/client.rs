//! A client that writes HTTP/1.1 by hand, so that it can also write half of it.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use millpond_api::Codec;
use serde_json::{Value, json};

use crate::{
    server::{shard_id, texts},
    wire,
};

/// One connection.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    addr: SocketAddr,
    pub(super) codec: Codec,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, empty when it isn't there.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// The body of a PutRecord in JSON.
pub(super) fn put_record(stream: &str, key: &str, text: &str) -> String {
    json!({"StreamName": stream, "PartitionKey": key, "Data": wire::blob(text)}).to_string()
}

impl Client {
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), addr, codec: Codec::Json })
    }

    /// Everything before the body of a request to an operation.
    pub(super) fn head(&self, operation: &str, body_bytes: usize, more: &str) -> Vec<u8> {
        let (addr, content_type) = (self.addr, self.codec.content_type());
        format!(
            "POST / HTTP/1.1\r\nhost: {addr}\r\ncontent-type: {content_type}\r\n\
             x-amz-target: Kinesis_20131202.{operation}\r\nx-amz-date: 20231114T221320Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/kinesis/\
             aws4_request, SignedHeaders=host, Signature=0123456789abcdef\r\n\
             content-length: {body_bytes}\r\n{more}\r\n"
        )
        .into_bytes()
    }

    /// Writes; a server that has gone meanwhile shows when its answer is read.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Takes what comes until it has contained `text`.
    pub(super) fn read_until(&mut self, text: &str) {
        let (mut taken, text) = (Vec::new(), text.as_bytes());
        while !taken.windows(text.len()).any(|window| window == text) {
            let came = self.stream.fill_buf().unwrap();
            assert!(!came.is_empty(), "{:?} is not in {taken:?}", String::from_utf8_lossy(text));
            let bytes = came.len();
            // What was looked through stays only as far as the text may have begun in it.
            taken.drain(..taken.len().saturating_sub(text.len()));
            taken.extend_from_slice(came);
            self.stream.consume(bytes);
        }
    }

    /// Whether the server has closed the connection, once everything that it sent is taken.
    pub(super) fn is_closed_at_last(&mut self) -> bool {
        io::copy(&mut self.stream, &mut io::sink()).is_ok()
    }

    pub(super) fn read(&mut self) -> Answer {
        self.try_read().unwrap()
    }

    fn try_read(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = code.ok_or_else(|| io::Error::other(format!("no status in {status:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.header("transfer-encoding") == "chunked" {
            answer.body = self.chunks()?;
            return Ok(answer);
        }
        let length = answer.header("content-length").parse().unwrap_or_default();
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// The body of an answer that was made as it was sent.
    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let bytes = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            let before = body.len();
            body.resize(before + bytes, 0);
            self.stream.read_exact(&mut body[before..])?;
            assert_eq!(self.line()?, "", "a chunk has ended");
            if bytes == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(super) fn get(&mut self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.addr);
        self.write(head.as_bytes());
        self.read()
    }

    /// Sends a body to an operation.
    pub(super) fn send(&mut self, operation: &str, body: &str) -> Answer {
        self.write(&self.head(operation, body.len(), ""));
        self.write(body.as_bytes());
        self.read()
    }

    /// The output of an operation. Panics when it refuses.
    pub(super) fn call(&mut self, operation: &str, input: &Value) -> Value {
        self.try_call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// The output of an operation, or how the connection or the operation failed.
    pub(super) fn try_call(&mut self, operation: &str, input: &Value) -> io::Result<Value> {
        let body = wire::write(self.codec, input);
        let mut request = self.head(operation, body.len(), "");
        request.extend(body);
        self.stream.get_mut().write_all(&request)?;
        let answer = self.try_read()?;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(io::Error::other(format!("{} {said}", answer.status)));
        }
        match answer.body.as_slice() {
            [] => Ok(Value::Null),
            body => Ok(wire::read(self.codec, body)),
        }
    }
}

/// What most tests need.
impl Client {
    pub(super) fn create(&mut self, stream: &str, shards: u32) {
        self.call("CreateStream", &json!({"StreamName": stream, "ShardCount": shards}));
        let summary = json!({"StreamName": stream});
        let summary = self.call("DescribeStreamSummary", &summary);
        assert_eq!(summary["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE");
    }

    pub(super) fn put(&mut self, stream: &str, key: &str, text: &str) -> Value {
        let input = json!({"StreamName": stream, "PartitionKey": key, "Data": wire::blob(text)});
        self.call("PutRecord", &input)
    }

    /// An iterator over all of a shard.
    pub(super) fn iterator(&mut self, stream: &str, shard: u32) -> String {
        let input = json!({"StreamName": stream, "ShardId": shard_id(shard),
            "ShardIteratorType": "TRIM_HORIZON"});
        let output = self.call("GetShardIterator", &input);
        output["ShardIterator"].as_str().unwrap().to_owned()
    }

    /// The records of a shard, as texts.
    pub(super) fn texts(&mut self, stream: &str, shard: u32) -> Vec<String> {
        let iterator = self.iterator(stream, shard);
        let output = self.call("GetRecords", &json!({ "ShardIterator": iterator }));
        texts(&output)
    }
}
