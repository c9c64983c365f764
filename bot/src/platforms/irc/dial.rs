//! The way to a server: a stream of bytes, in TLS unless the config says otherwise.

use super::settings::Settings;
use anyhow::{Context, Result};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Bytes to and from a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whatever gives a stream to a server: the network, or a test.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects.
    ///
    /// # Errors
    /// When the server can not be reached, or is not the one that is meant.
    async fn dial(&self) -> Result<Box<dyn Stream>>;
}

/// The network.
pub struct Internet {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Internet {
    /// The way that the config describes.
    ///
    /// # Errors
    /// When a certificate that it names can not be used.
    pub fn new(settings: &Settings) -> Result<Internet> {
        let tls = match settings.tls {
            true => {
                let name = ServerName::try_from(settings.host.clone())
                    .with_context(|| format!("`{}` is no name that a certificate can have", settings.host))?;
                Some((TlsConnector::from(Arc::new(client(settings)?)), name))
            }
            false => None,
        };
        Ok(Internet { host: settings.host.clone(), port: settings.port, tls })
    }
}

fn client(settings: &Settings) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).with_context(|| format!("{} holds no authority", file.display()))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let Some((certificate, key)) = &settings.certificate else { return Ok(builder.with_no_client_auth()) };
    let shown = key.display();
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| anyhow::anyhow!("{shown} is no key: {error}"))?;
    builder
        .with_client_auth_cert(certificates(certificate)?, secret)
        .with_context(|| format!("{} and {shown} do not fit together", certificate.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| anyhow::anyhow!("{} can not be read: {error}", file.display()))?;
    anyhow::ensure!(!found.is_empty(), "{} holds no certificate", file.display());
    Ok(found)
}

#[async_trait]
impl Dial for Internet {
    async fn dial(&self) -> Result<Box<dyn Stream>> {
        let connect = async {
            let stream = TcpStream::connect((&*self.host, self.port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match &self.tls {
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                None => Box::new(stream),
            };
            anyhow::Ok(stream)
        };
        let connected = tokio::time::timeout(LIMIT, connect).await;
        let (host, port) = (&self.host, self.port);
        connected
            .with_context(|| format!("{host}:{port} does not answer"))?
            .with_context(|| format!("{host}:{port} can not be reached"))
    }
}
