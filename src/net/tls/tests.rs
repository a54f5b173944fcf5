//! Handshakes against a rustls server in a thread: what must be accepted, what must not, and how a
//! session ends.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, version};

use super::super::block::Block;
use super::super::clock::{self, Tick};
use super::super::connect::Endpoint;
use super::super::on_each_driver::on_each_driver;
use super::super::stream::Stream;
use super::super::write_list::WriteList;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn soon() -> Tick {
    clock::now() + PATIENCE
}

/// An authority and what it has signed.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.issuer).expect("signed"), key)
    }

    fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    /// Options that trust nobody else.
    fn trusted(&self) -> TlsClientOptions {
        TlsClientOptions {
            ca_certs: vec![self.pem()],
            disable_system_ca_pool: true,
            ..TlsClientOptions::default()
        }
    }

    fn server(&self, name: &str) -> ServerConfig {
        server(self.sign(name, |_| ()), &[&version::TLS12, &version::TLS13])
    }
}

fn server(
    (certificate, key): (Certificate, KeyPair),
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der(&key))
        .expect("a fitting key")
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).expect("a key in DER")
}

type Peer = StreamOwned<ServerConnection, TcpStream>;

/// A server for one connection; `serve` talks over it.
fn serve<T: Send + 'static>(
    config: ServerConfig,
    serve: impl FnOnce(Peer) -> io::Result<T> + Send + 'static,
) -> (Endpoint, JoinHandle<io::Result<T>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serving = thread::spawn(move || {
        let (socket, _) = listener.accept()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let connection = ServerConnection::new(Arc::new(config)).expect("a configuration");
        serve(StreamOwned::new(connection, socket))
    });
    (Endpoint::Tcp(address), serving)
}

fn echo(mut peer: Peer) -> io::Result<()> {
    let mut got = [0; 4];
    peer.read_exact(&mut got)?;
    peer.write_all(&got)?;
    peer.flush()
}

async fn connect(to: &Endpoint, options: &TlsClientOptions, name: &str) -> io::Result<Stream> {
    let config = TlsClientConfig::build(options).expect("options that work");
    let stream = Stream::connect(to, soon()).await?;
    connect_tls(stream, &config, name, soon()).await
}

/// What a handshake and four bytes there and back end with.
async fn attempt(server: ServerConfig, options: &TlsClientOptions, name: &str) -> io::Result<()> {
    let (to, serving) = serve(server, echo);
    let talk = async {
        let mut stream = connect(&to, options, name).await?;
        assert!(stream.is_tls());
        stream.send.send(Block::copy_of(b"ping")).await.0?;
        let block = stream.recv.recv().await?;
        assert_eq!(&block[..], b"ping");
        Ok(())
    };
    let talked = talk.await;
    drop(serving.join().expect("no panic"));
    talked
}

#[test]
fn certificates() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let other = Authority::new();
        let expired = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        };
        let both: &[_] = &[&version::TLS12, &version::TLS13];
        let insecure = TlsClientOptions { insecure: true, ..TlsClientOptions::default() };
        for (case, config, options, name, is_accepted) in [
            ("right", ours.server("backend.test"), ours.trusted(), "backend.test", true),
            ("an address", ours.server("127.0.0.1"), ours.trusted(), "127.0.0.1", true),
            ("wrong name", ours.server("backend.test"), ours.trusted(), "other.test", false),
            ("unknown CA", other.server("backend.test"), ours.trusted(), "backend.test", false),
            (
                "expired",
                server(ours.sign("backend.test", expired), both),
                ours.trusted(),
                "backend.test",
                false,
            ),
            (
                "insecure takes the wrong name, CA and time",
                server(other.sign("backend.test", expired), both),
                insecure,
                "other.test",
                true,
            ),
        ] {
            let ended = attempt(config, &options, name).await;
            assert_eq!(ended.is_ok(), is_accepted, "{case}: {ended:?}");
            assert!(ended.err().is_none_or(|error| is_certificate_error(&error)), "{case}");
        }
    });
}

#[test]
fn versions() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let only = |version| TlsClientOptions {
            min_version: Some(version),
            max_version: Some(version),
            ..ours.trusted()
        };
        for (case, theirs, options, is_accepted) in [
            ("1.2 and 1.2", &version::TLS12, only(TlsVersion::Tls12), true),
            ("1.3 and 1.3", &version::TLS13, only(TlsVersion::Tls13), true),
            ("1.2 and 1.3", &version::TLS12, only(TlsVersion::Tls13), false),
            ("1.3 and 1.2", &version::TLS13, only(TlsVersion::Tls12), false),
            ("1.2 and any", &version::TLS12, ours.trusted(), true),
        ] {
            let config = server(ours.sign("backend.test", |_| ()), &[theirs]);
            let ended = attempt(config, &options, "backend.test").await;
            assert_eq!(ended.is_ok(), is_accepted, "{case}: {ended:?}");
            assert!(ended.err().is_none_or(|error| is_alert(&error)), "{case}");
        }
    });
}

#[test]
fn client_certificates() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let demanding = || {
            let mut roots = RootCertStore::empty();
            roots.add(ours.certificate.der().clone()).expect("an authority");
            let provider = Arc::new(aws_lc_rs::default_provider());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .expect("a verifier");
            let (certificate, key) = ours.sign("backend.test", |_| ());
            ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_client_cert_verifier(verifier)
                .with_single_cert(vec![CertificateDer::from(certificate)], der(&key))
                .expect("a fitting key")
        };
        let without = attempt(demanding(), &ours.trusted(), "backend.test").await;
        assert!(without.is_err_and(|error| is_alert(&error)));

        let (certificate, key) = ours.sign("client.test", |_| ());
        let mut options = ours.trusted();
        options.client_certs.push(ClientCertificate {
            certificate: certificate.pem().into_bytes(),
            private_key: key.serialize_pem().into_bytes(),
        });
        attempt(demanding(), &options, "backend.test").await.expect("it shows a certificate");

        options.client_certs[0].private_key = Authority::new().issuer.key().serialize_pem().into();
        let error = TlsClientConfig::build(&options).expect_err("another key");
        assert!(error.to_string().starts_with("client_certs[0].private_key: "), "{error}");
    });
}

#[test]
fn large_bodies_pass_sealed() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let len = 3 << 20;
        let whole: Vec<u8> = (0..len).map(|at| (at * 31 + at / 251) as u8).collect();
        let (to, serving) = serve(ours.server("backend.test"), move |mut peer| {
            let mut got = vec![0; len];
            peer.read_exact(&mut got)?;
            peer.write_all(&got)?;
            peer.conn.send_close_notify();
            peer.flush()
        });
        let stream = connect(&to, &ours.trusted(), "backend.test").await.expect("trusted");
        let Stream { mut recv, mut send } = stream;
        let mut list = WriteList::new();
        let block = list.own(Block::copy_of(&whole[1000..]));
        list.copy(&whole[..1000]);
        list.push(block, 0..1_000_000);
        list.push(block, 1_000_000..len - 1000);
        send.send_list(list).await.0.expect("sent");
        let mut got = Vec::new();
        loop {
            let block = recv.recv().await.expect("bytes");
            if block.is_empty() {
                break;
            }
            assert!(block.capacity() <= 64 * 1024);
            got.extend_from_slice(&block);
        }
        assert!(got == whole);
        serving.join().expect("no panic").expect("echoed");
    });
}

#[test]
fn a_cut_session_is_not_an_orderly_end() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let (to, serving) = serve(ours.server("backend.test"), |mut peer| {
            peer.write_all(b"half of it")?;
            peer.flush()
            // FIN without close_notify.
        });
        let mut stream = connect(&to, &ours.trusted(), "backend.test").await.expect("trusted");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"half of it");
        let error = stream.recv.recv().await.expect_err("it was cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        serving.join().expect("no panic").expect("sent");
    });
}

#[test]
fn our_end_says_close_notify() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let (to, serving) = serve(ours.server("backend.test"), |mut peer| {
            let mut got = Vec::new();
            // rustls makes an end without close_notify an error.
            peer.read_to_end(&mut got)?;
            Ok(got)
        });
        let mut stream = connect(&to, &ours.trusted(), "backend.test").await.expect("trusted");
        stream.send.send(Block::copy_of(b"bye")).await.0.expect("sent");
        stream.send.shutdown().await.expect("open");
        assert_eq!(serving.join().expect("no panic").expect("an orderly end"), b"bye");
    });
}

#[test]
fn tickets_do_not_make_an_idle_session_stale() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (to, serving) = serve(ours.server("backend.test"), move |mut peer| {
            // The handshake ends and TLS 1.3 sends its tickets.
            peer.conn.complete_io(&mut peer.sock)?;
            let _ = gone.recv();
            peer.write_all(b"unasked")?;
            peer.flush()?;
            let _ = gone.recv();
            Ok(())
        });
        let mut stream = connect(&to, &ours.trusted(), "backend.test").await.expect("trusted");
        // The tickets are there.
        stream.recv.readable().await.expect("tickets");
        assert!(!stream.is_stale(), "tickets are not data");
        assert!(!stream.is_stale());
        go.send(()).expect("the server waits");
        stream.recv.readable().await.expect("bytes");
        assert!(stream.is_stale(), "bytes that nobody asked for");
        go.send(()).expect("the server waits");
        serving.join().expect("no panic").expect("sent");
    });
}

#[test]
fn a_silent_server_meets_the_deadline() {
    on_each_driver(|| async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let to = Endpoint::Tcp(listener.local_addr().expect("bound"));
        let options = TlsClientOptions { insecure: true, ..TlsClientOptions::default() };
        let config = TlsClientConfig::build(&options).expect("options that work");
        let stream = Stream::connect(&to, soon()).await.expect("it listens");
        let deadline = clock::now() + Duration::from_millis(50);
        let error = connect_tls(stream, &config, "backend.test", deadline).await.err();
        assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        assert!(clock::now() >= deadline);
    });
}

#[test]
fn both_ends_may_be_ours() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let mut config = ours.server("gateway.test");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let bound = super::super::listener::bind(Some([127, 0, 0, 1].into()), 0, 8);
        let bound = bound.expect("a free port");
        let to = Endpoint::Tcp(bound.local_addr().expect("TCP"));
        let listener = bound.adopt().expect("adopted");
        super::super::spawn(async move {
            let (stream, _) = listener.accept().await.expect("connected");
            let mut stream = accept_tls(stream, Arc::new(config), soon()).await.expect("TLS");
            let block = stream.recv.recv().await.expect("bytes");
            stream.send.send(block).await.0.expect("sent");
            stream.send.shutdown().await.expect("open");
        });
        let options = TlsClientOptions { alpn: vec![b"http/1.1".to_vec()], ..ours.trusted() };
        let mut stream = connect(&to, &options, "gateway.test").await.expect("trusted");
        assert_eq!(stream.alpn().as_deref(), Some(&b"http/1.1"[..]));
        stream.send.send(Block::copy_of(b"hello")).await.0.expect("sent");
        assert_eq!(&stream.recv.recv().await.expect("bytes")[..], b"hello");
        assert!(stream.recv.recv().await.expect("an orderly end").is_empty());
    });
}

#[test]
fn http2_is_agreed_on_and_runs_sealed() {
    on_each_driver(|| async {
        let ours = Authority::new();
        let mut config = ours.server("gateway.test");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let bound = super::super::listener::bind(Some([127, 0, 0, 1].into()), 0, 8);
        let bound = bound.expect("a free port");
        let to = Endpoint::Tcp(bound.local_addr().expect("TCP"));
        let listener = bound.adopt().expect("adopted");
        super::super::spawn(async move {
            let (stream, _) = listener.accept().await.expect("connected");
            let stream = accept_tls(stream, Arc::new(config), soon()).await.expect("TLS");
            super::super::proof::poll::serve(stream).await;
        });
        let options = TlsClientOptions { alpn: vec![b"h2".to_vec()], ..ours.trusted() };
        let stream = connect(&to, &options, "gateway.test").await.expect("trusted");
        assert_eq!(stream.alpn().as_deref(), Some(&b"h2"[..]));
        super::super::proof::poll::call(stream).await;
    });
}
