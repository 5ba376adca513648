//! One connection as the server reads and writes it. It is given up where its first bytes do not come in time, and where
//! those who vouch for its certificate have changed.

use super::super::admission::Load;
use super::super::caller::Peer;
use super::Place;
use super::pace::Pace;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

/// With so many bytes HTTP/2 begins; who has not sent them says nothing yet.
const PREFACE_BYTES: usize = 24;

type Cancelled = Pin<Box<WaitForCancellationFutureOwned>>;

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Peer,
    /// Until the first bytes are here: how many, and how long they may take.
    beginning: Option<(usize, Pin<Box<Sleep>>)>,
    /// Those who vouch for its certificate have changed; only where it showed one.
    trust_changes: Option<Cancelled>,
    pace: Pace,
    _place: Place,
}

impl Connection {
    pub(super) fn plain(
        stream: TcpStream,
        peer: Peer,
        beginning_max: Duration,
        place: Place,
        load: Load,
    ) -> Self {
        Self::new(Stream::Plain(stream), peer, beginning_max, place, load)
    }

    pub(super) fn secured(
        stream: TlsStream<TcpStream>,
        peer: Peer,
        beginning_max: Duration,
        place: Place,
        load: Load,
        trust_changes: WaitForCancellationFutureOwned,
    ) -> Self {
        let trust_changes = peer.certified.is_some().then(|| Box::pin(trust_changes));
        let stream = Stream::Secured(Box::new(stream));
        Self { trust_changes, ..Self::new(stream, peer, beginning_max, place, load) }
    }

    fn new(stream: Stream, peer: Peer, beginning_max: Duration, place: Place, load: Load) -> Self {
        // signal: this is the deadline for those who say nothing.
        let beginning = Some((0, Box::pin(tokio::time::sleep(beginning_max))));
        let pace = Pace::new(load, peer.refusals.clone());
        Self { stream, peer, beginning, trust_changes: None, pace, _place: place }
    }

    /// Whether it is given up.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some((_, deadline)) = &mut self.beginning
            && deadline.as_mut().poll(context).is_ready()
        {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its first bytes did not come in time"));
        }
        if let Some(changed) = &mut self.trust_changes
            && changed.as_mut().poll(context).is_ready()
        {
            let why = "those who vouch for its certificate have changed";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        Ok(())
    }

    fn has_read(&mut self, bytes: usize) {
        self.pace.has_read();
        if let Some((read, _)) = &mut self.beginning {
            *read += bytes;
            if *read >= PREFACE_BYTES {
                self.beginning = None;
            }
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        match ready!(self.pace.poll_ready(context)) {
            Some(most) if most < buffer.remaining() => {
                let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(most));
                ready!(self.stream.poll_read(context, &mut piece))?;
                let bytes = piece.filled().len();
                buffer.advance(bytes);
            }
            Some(_) | None => ready!(self.stream.poll_read(context, buffer))?,
        }
        let bytes = buffer.filled().len().saturating_sub(before);
        self.has_read(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Secured(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Secured(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
