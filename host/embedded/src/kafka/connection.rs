//! Connections: frames in, frames out, one request at a time for each as Kafka has it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::apis;
use super::broker::Broker;

/// The largest request. Kafka takes 100 MiB; clients send batches of about one.
const REQUEST_BYTES: usize = 32 << 20;

/// The most connections at a time.
const CONNECTIONS: usize = 1_000;

/// Accepts connections and keeps the broker's time, until it is aborted.
pub(super) async fn serve(broker: Arc<Broker>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let time = Arc::clone(&broker);
    connections.spawn(async move { time.keep_time().await });
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() <= CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    let broker = Arc::clone(&broker);
                    connections.spawn(async move { connect(&broker, stream, peer).await });
                }
                Err(error) => warn!(%error, "embedded Kafka lost a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(broker: &Broker, stream: TcpStream, peer: SocketAddr) {
    match answer_all(broker, stream).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            warn!(%peer, %error, "embedded Kafka closes a connection");
        }
        // A client that hangs up is the usual end.
        Err(error) => debug!(%peer, %error, "connection ended"),
    }
}

async fn answer_all(broker: &Broker, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let length = match stream.read_u32().await {
            Ok(length) => length as usize,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > REQUEST_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a request of {length} bytes, more than {REQUEST_BYTES}"),
            ));
        }
        // Memory is taken as the bytes come: a length alone costs nothing.
        let mut frame = BytesMut::new();
        let mut rest = (&mut stream).take(length as u64);
        while frame.len() < length {
            if rest.read_buf(&mut frame).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let answer = apis::answer(broker, frame.freeze()).await;
        let answer = answer.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let Some(answer) = answer {
            stream.write_all(&answer).await?;
        }
    }
}
