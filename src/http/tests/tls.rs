//! TLS and plain HTTP on one port.

use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use millpond_api::types::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::tls::{Tls, TlsSettings};

/// A server with an authority of its own, and that authority's certificate.
async fn start(connections: ConnectionLimits) -> (TestServer, String) {
    // The client looks at the real date.
    let now = Timestamp::from_millis(millpond_quotas::Clock::system().wall().millis());
    let settings = TlsSettings::SelfSigned { dir: None, names: Vec::new() };
    let tls = Tls::open(&settings, ([127, 0, 0, 1], 0).into(), now).unwrap();
    let setup = Setup { tls: Some(tls.acceptor().clone()), connections, ..Setup::default() };
    (setup.start().await, tls.authority().unwrap().to_string())
}

async fn shake_hands(
    server: &TestServer,
    authority: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| Vec::from(*name)).collect();
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn one_port_speaks_tls_in_both_versions_of_http_and_no_tls() {
    let (server, authority) = start(ConnectionLimits::default()).await;
    let four = || Full::new(bytes::Bytes::from("four"));
    let request = || Request::post("/x").header("host", "x").body(four()).unwrap();
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let stream = shake_hands(&server, &authority, protocols).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed.as_deref(), protocols.first().map(|name| name.as_bytes()));
        let tasks = TaskTracker::new();
        let response = if agreed.as_deref() == Some(b"h2") {
            let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (mut sender, connection) = handshake.await.unwrap();
            tasks.spawn(connection);
            sender.send_request(request()).await.unwrap()
        } else {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tasks.spawn(connection);
            sender.send_request(request()).await.unwrap()
        };
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "POST /x 4", "{protocols:?}");
    }
    let mut plain = server.connect().await;
    plain.send("POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfour").await;
    assert_eq!(plain.response().await.body, "POST /x 4");
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn who_does_not_trust_its_authority_is_not_served() {
    let (server, _) = start(ConnectionLimits::default()).await;
    let (_, another) = start(ConnectionLimits::default()).await;
    assert!(shake_hands(&server, &another, &[]).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let idle_max = Duration::from_millis(50);
    let (server, _) = start(ConnectionLimits { idle_max, ..Default::default() }).await;
    for begun in [&[][..], &[22], &[22, 3, 1, 2, 0, 1]] {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(begun).await.unwrap();
        // A reset is an end too.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or_default(), 0);
    }
    let mut rubbish = TcpStream::connect(server.addr).await.unwrap();
    rubbish.write_all(&[22; 100]).await.unwrap();
    let mut said = Vec::new();
    rubbish.read_to_end(&mut said).await.ok();
    assert_eq!(said.first(), Some(&21), "an alert: {said:?}");
}

#[tokio::test]
async fn connections_that_have_not_said_what_they_are_do_not_hold_up_the_end() {
    let (server, _) = start(ConnectionLimits::default()).await;
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let mut proof = server.connect().await;
    proof.round_trips().await;
    assert_eq!(server.stop().await, 0, "none had to be cut");
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}
