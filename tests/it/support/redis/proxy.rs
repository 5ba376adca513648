//! A TCP proxy in front of one address that does harm on demand. Knows bytes and directions, no protocol.
//!
//! It has a thread of its own, so that a test that blocks does not block it. Bytes wait in a queue with a limit; beyond
//! it the sender is made to wait, each direction for itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tracegate::clock::Stopwatch;

const PIECE_BYTES_MAX: usize = 16 * 1024;
/// With the size of a piece: at most 16 MiB wait in one direction of a connection.
const PIECES_WAITING_MAX: usize = 1024;

/// What the proxy does to the bytes that pass.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Lets everything through.
    #[default]
    Pass,
    /// Every byte arrives this much later, in each direction. Ended early, it delivers at once what it held.
    Delay(Duration),
    /// Takes everything, on open and on new connections, and says nothing, not even that an end has gone.
    /// A connection that lost something ends when this mode does: TCP never continues with a gap.
    BlackHole,
    /// A black hole for replies alone: the server does what it is asked, and nobody hears of it.
    SwallowReplies,
    /// Lets requests through, and ends a connection in place of the byte of a reply that follows this many. Counted
    /// for each connection from the moment of the order.
    CutReplies { after_bytes: usize },
    /// The same for one connection only; then everything passes.
    CutOneReply { after_bytes: usize },
    /// Lets everything through until a request holds these bytes; that one does not arrive any more, and it is a black
    /// hole from there on.
    HoldBefore(&'static str),
    /// The same, but that request still arrives.
    HoldAfter(&'static str),
    /// Ends new connections at once; open ones stay (see [`FaultProxy::cut_all`]).
    Refuse,
}

/// A proxy that listens until it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    control: Arc<Control>,
    runtime: Option<Runtime>,
}

#[derive(Clone, Copy, Default)]
struct Order {
    mode: Mode,
    /// Which order this is: a count of bytes begins anew with each.
    number: u64,
    /// How often all connections were cut.
    cuts_of_all: u64,
}

#[derive(Default)]
struct Control {
    order: watch::Sender<Order>,
    replies_cut: AtomicU64,
}

/// A connection must end now, in both directions.
struct Cut;
type Relayed = Result<(), Cut>;

impl FaultProxy {
    /// A proxy that lets everything through to `target` ("127.0.0.1:6379"), on a free port.
    pub fn start(target: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port for the proxy");
        let address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fault-proxy")
            .enable_all()
            .build()
            .expect("a thread for the proxy");
        let control = Arc::new(Control::default());
        let (accepting, target) = (Arc::clone(&control), target.to_owned());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener within a runtime");
            loop {
                let (client, _) = listener.accept().await.expect("the listener of the proxy works");
                tokio::spawn(serve(client, target.clone(), Arc::clone(&accepting)));
            }
        });
        Self { address, control, runtime: Some(runtime) }
    }

    /// Where it listens: "127.0.0.1:PORT".
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port of its address.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what it does, for open connections too.
    pub fn set(&self, mode: Mode) {
        self.control.order.send_modify(|order| {
            order.mode = mode;
            order.number += 1;
        });
    }

    /// What it does now; after the cut of [`Mode::CutOneReply`] that is `Pass`.
    pub fn mode(&self) -> Mode {
        self.control.order.borrow().mode
    }

    /// Ends every open connection.
    pub fn cut_all(&self) {
        self.control.order.send_modify(|order| order.cuts_of_all += 1);
    }

    /// How many connections it ended within a reply, since its start.
    pub fn replies_cut(&self) -> u64 {
        self.control.replies_cut.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection from its first byte to its last.
async fn serve(client: TcpStream, target: String, control: Arc<Control>) {
    let mut orders = control.order.subscribe();
    let Order { mode, cuts_of_all, .. } = *orders.borrow_and_update();
    if mode == Mode::Refuse {
        return;
    }
    let relayed = async {
        if mode == Mode::BlackHole {
            // The server must not be reached, nor may its absence be seen.
            return swallow(client, control.order.subscribe()).await;
        }
        // A server that is down shows as a connection that ends.
        let Ok(server) = TcpStream::connect(&target).await else { return };
        let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else { return };
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let requests = relay(false, client_read, server_write, &control);
        let replies = relay(true, server_read, client_write, &control);
        // The first that must end takes the other with it.
        drop(tokio::try_join!(requests, replies));
    };
    tokio::select! {
        () = relayed => {}
        _ = orders.wait_for(|order| order.cuts_of_all != cuts_of_all) => {}
    }
}

/// Takes what a connection of the black hole's time sends, until that time is over.
async fn swallow(mut client: TcpStream, mut orders: watch::Receiver<Order>) {
    let take = async {
        let mut taken = vec![0; PIECE_BYTES_MAX];
        while client.read(&mut taken).await.is_ok_and(|length| length > 0) {}
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = take => {}
        _ = orders.wait_for(|order| order.mode != Mode::BlackHole) => {}
    }
}

/// Bytes on their way, and since when. Without bytes: the sender has no more to say.
struct Piece(Vec<u8>, Stopwatch);

async fn relay(is_replies: bool, from: OwnedReadHalf, to: OwnedWriteHalf, control: &Control) -> Relayed {
    let (queue, waiting) = mpsc::channel(PIECES_WAITING_MAX);
    let exit =
        Exit { is_replies, to, control, orders: control.order.subscribe(), counted: (0, 0), has_lost: false };
    tokio::try_join!(enter(from, queue), exit.run(waiting)).map(drop)
}

/// Reads until the end of the stream, ahead of what is written as far as the queue allows.
async fn enter(mut from: OwnedReadHalf, queue: mpsc::Sender<Piece>) -> Relayed {
    loop {
        let mut bytes = vec![0; PIECE_BYTES_MAX];
        // A reset is an end too; whether the other side hears of it is for the mode to say.
        let length = from.read(&mut bytes).await.unwrap_or(0);
        bytes.truncate(length);
        queue.send(Piece(bytes, Stopwatch::start())).await.map_err(|_| Cut)?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// The far side of one direction, where the order of the moment is carried out.
struct Exit<'a> {
    is_replies: bool,
    to: OwnedWriteHalf,
    control: &'a Control,
    orders: watch::Receiver<Order>,
    /// The number of an order, and the bytes of replies let through under it.
    counted: (u64, usize),
    has_lost: bool,
}

impl Exit<'_> {
    async fn run(mut self, mut waiting: mpsc::Receiver<Piece>) -> Relayed {
        let mut has_ended = false;
        loop {
            tokio::select! {
                piece = waiting.recv(), if !has_ended => {
                    let piece = piece.ok_or(Cut)?;
                    has_ended = piece.0.is_empty();
                    self.carry_out(piece).await?;
                }
                changed = self.orders.changed(), if self.has_lost => {
                    changed.map_err(|_| Cut)?;
                    if !self.swallows(self.orders.borrow().mode) {
                        return Err(Cut);
                    }
                }
            }
            if has_ended && !self.has_lost {
                return Ok(());
            }
        }
    }

    fn swallows(&self, mode: Mode) -> bool {
        mode == Mode::BlackHole || (mode == Mode::SwallowReplies && self.is_replies)
    }

    async fn carry_out(&mut self, piece: Piece) -> Relayed {
        loop {
            let order = *self.orders.borrow_and_update();
            match order.mode {
                mode if self.swallows(mode) => {
                    self.has_lost = true;
                    return Ok(());
                }
                // Nothing may follow a gap.
                _ if self.has_lost => return Err(Cut),
                Mode::Delay(delay) if piece.1.elapsed() < delay => {
                    tokio::select! {
                        // signal: the delay is what was ordered.
                        () = tokio::time::sleep(delay.saturating_sub(piece.1.elapsed())) => {}
                        changed = self.orders.changed() => changed.map_err(|_| Cut)?,
                    }
                }
                Mode::HoldBefore(words) | Mode::HoldAfter(words) if self.is_asked(words, &piece) => {
                    if self.is_first(order, Mode::BlackHole) && matches!(order.mode, Mode::HoldAfter(_)) {
                        return self.write(&piece.0).await;
                    }
                }
                Mode::CutReplies { after_bytes } | Mode::CutOneReply { after_bytes }
                    if self.is_replies && self.is_over(order, after_bytes, &piece) =>
                {
                    if self.may_cut(order) {
                        self.control.replies_cut.fetch_add(1, Ordering::SeqCst);
                        self.write(&piece.0[..after_bytes - self.counted.1]).await?;
                        return Err(Cut);
                    }
                }
                _ => {
                    self.counted.1 += piece.0.len();
                    return self.write(&piece.0).await;
                }
            }
        }
    }

    fn is_over(&mut self, order: Order, after_bytes: usize, piece: &Piece) -> bool {
        if self.counted.0 != order.number {
            self.counted = (order.number, 0);
        }
        self.counted.1 + piece.0.len() > after_bytes
    }

    fn is_asked(&self, words: &str, piece: &Piece) -> bool {
        !self.is_replies && piece.0.windows(words.len()).any(|bytes| bytes == words.as_bytes())
    }

    /// Of many connections only one may make the only cut.
    fn may_cut(&self, order: Order) -> bool {
        matches!(order.mode, Mode::CutReplies { .. }) || self.is_first(order, Mode::Pass)
    }

    /// Whether this is where an order is carried out that can be only once; `then` = what holds from there on.
    fn is_first(&self, order: Order, then: Mode) -> bool {
        self.control.order.send_if_modified(|now| {
            let is_first = now.number == order.number && now.mode == order.mode;
            if is_first {
                (now.mode, now.number) = (then, now.number + 1);
            }
            is_first
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Relayed {
        let written =
            if bytes.is_empty() { self.to.shutdown().await } else { self.to.write_all(bytes).await };
        written.map_err(|_| Cut)
    }
}
