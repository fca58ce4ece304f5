//! The parser alone, and the client against a server that answers what the test wrote.

use tokio::net::TcpListener;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\n\r\n";

#[test]
fn a_head_is_read_once_it_is_complete() {
    for cut in 0..OK.len() {
        assert_eq!(Head::parse(&OK.as_bytes()[..cut]).unwrap(), None, "{cut}");
    }
    let expected = Head { status: 200, bytes: OK.len(), body_bytes: Some(5), closes: false };
    assert_eq!(Head::parse(OK.as_bytes()).unwrap(), Some(expected));
    let with_body = format!("{OK}hello");
    assert_eq!(Head::parse(with_body.as_bytes()).unwrap(), Some(expected));
}

#[tokio::test]
async fn a_connection_that_the_server_closes_after_each_answer_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::plain(listener.local_addr().unwrap());
    let server = async {
        for answer in ["one", "two"] {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n{}") {
                assert!(peer.read_buf(&mut seen).await.unwrap() > 0);
            }
            let head = "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 3\r\n\r\n";
            peer.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
        }
    };
    let client = async {
        let mut connection = Connection::open(&endpoint).await.unwrap();
        let mut signer = connection.signer("text/plain", "ListStreams");
        for answer in ["one", "two"] {
            let (now, body) = (Instant::now(), Body::new("{}"));
            let called = connection.call(&mut signer, now, &body, keep).await.unwrap();
            assert_eq!(called, answer.as_bytes());
        }
    };
    tokio::join!(server, client);
}

#[test]
fn a_head_that_does_not_bound_its_body_is_refused() {
    for (head, why) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "no length"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "transfer encoding"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
            "no length, or two",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "two lengths"),
        ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "invalid digit"),
        ("nonsense\r\n\r\n", "invalid"),
    ] {
        let error = Head::parse(head.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error} for {head}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
    assert!(Head::parse(endless.as_bytes()).unwrap_err().to_string().contains("too long"));
}

/// Sends two requests with the body `{}` to a server that answers each with these pieces.
async fn answers(pieces: &'static [&'static str]) -> (Result<Vec<u8>>, Result<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..2 {
            while !seen.ends_with(b"\r\n\r\n{}") {
                if peer.read_buf(&mut seen).await.unwrap() == 0 {
                    return;
                }
            }
            seen.clear();
            for piece in pieces {
                peer.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    let client = async {
        let mut connection = Connection::open(&Endpoint::plain(address)).await.unwrap();
        let mut signer = connection.signer("text/plain", "ListStreams");
        let body = Body::new("{}");
        let mut call = async || {
            let mut whole = Vec::new();
            let see = |coming: &[u8]| {
                // All but the last byte is forgotten.
                whole.truncate(whole.len().saturating_sub(1));
                whole.extend_from_slice(coming);
                coming.len().saturating_sub(1)
            };
            let called = connection.call(&mut signer, Instant::now(), &body, see).await;
            assert_eq!(called?, whole.get(whole.len().saturating_sub(1)..).unwrap_or_default());
            assert_eq!(connection.body_bytes(), whole.len());
            Ok(whole)
        };
        (call().await, call().await)
    };
    tokio::join!(server, client).1
}

#[tokio::test]
async fn answers_in_pieces_are_put_together_and_the_connection_is_kept() {
    let (first, second) =
        answers(&["HTTP/1.1 200", " OK\r\ncontent-length: 5\r\n\r\nhe", "llo"]).await;
    assert_eq!(first.unwrap(), b"hello");
    assert_eq!(second.unwrap(), b"hello");
}

#[tokio::test]
async fn answers_in_chunks_are_put_together() {
    const PIECES: &[&str] = &[
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3",
        "\r\nhel\r\n2\r",
        "\nlo\r\n0\r\n\r\n",
    ];
    let (first, second) = answers(PIECES).await;
    assert_eq!(first.unwrap(), b"hello");
    assert_eq!(second.unwrap(), b"hello");
}

#[tokio::test]
async fn a_refusal_is_an_error_that_quotes_the_answer() {
    let (first, _) = answers(&["HTTP/1.1 400 Bad\r\ncontent-length: 5\r\n\r\nwrong"]).await;
    assert_eq!(first.unwrap_err().to_string(), "status 400: wrong");
}

#[tokio::test]
async fn more_than_announced_is_an_error() {
    let (first, _) = answers(&["HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nhello"]).await;
    assert!(first.unwrap_err().to_string().contains("more than it announced"));
}

/// A client that has sent a request to a server that answers this, and then, when it is asked to go
/// on, that.
async fn endless(answer: &str, more: &str, client: impl AsyncFnOnce(Connection)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        for (until, piece) in [(&b"\r\n\r\n{}"[..], answer), (b"go on", more)] {
            while !seen.ends_with(until) {
                if peer.read_buf(&mut seen).await.unwrap() == 0 {
                    return;
                }
            }
            peer.write_all(piece.as_bytes()).await.unwrap();
        }
    };
    let client = async {
        let mut connection = Connection::open(&Endpoint::plain(address)).await.unwrap();
        let mut signer = connection.signer("text/plain", "SubscribeToShard");
        connection.send(&mut signer, Instant::now(), &Body::new("{}")).await.unwrap();
        client(connection).await;
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn what_refuses_a_subscription_is_told() {
    let refusal = "HTTP/1.1 400 Bad\r\ncontent-length: 17\r\n\r\nno begin here yet";
    endless(refusal, "", async |mut connection| {
        let error = connection.receive_until(b"begin").await.unwrap_err();
        assert_eq!(error.to_string(), "status 400: no begin here yet");
    })
    .await;
}

#[tokio::test]
async fn only_what_comes_from_now_on_is_next() {
    const BEGIN: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nbegin, tick";
    for (more, is_open) in [("tick", true), ("", false)] {
        endless(BEGIN, more, async |mut connection| {
            connection.receive_until(b"begin").await.unwrap();
            connection.stream.write_all(b"go on").await.unwrap();
            let next = connection.receive_next(b"tick").await;
            assert_eq!(next.is_ok(), is_open, "{next:?}");
        })
        .await;
    }
}
