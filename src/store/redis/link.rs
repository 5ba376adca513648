//! The connection to Redis: batches of commands go out as pipelines, one to a single server, one for each slot to a
//! cluster. It knows no ledger; whatever it is given must be harmless when it arrives twice, because a batch whose
//! answer is lost may have been carried out.

use super::address::Address;
use super::reply::text_of;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

mod connections;
mod primaries;

use connections::Connections;
pub(super) use primaries::Said;

/// How often the cluster client itself follows a moved slot or connects again. Not 0: a redirection uses it up too.
const CLUSTER_RETRIES: u32 = 4;
/// Bytes of a key that most have room for beside their name.
const KEY_BYTES: usize = 24;
/// Slots of a cluster.
const SLOTS: u16 = 16384;

/// What lies together: keys with one tag are always on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tag {
    /// A partition of codes, documents and balances.
    Partition(u16),
    /// What one gateway says of itself.
    Gateway(u16),
    /// The registry's rows.
    Registry,
    /// The deployment's head.
    Deployment,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(number) => write!(f, "{{p:{number:04}}}"),
            Self::Gateway(number) => write!(f, "{{g:{number:05}}}"),
            Self::Registry => f.write_str("{tracegate:registry}"),
            Self::Deployment => f.write_str("{tracegate}"),
        }
    }
}

impl Tag {
    /// The key of that name under this tag.
    pub fn key(self, name: impl AsRef<[u8]>) -> Vec<u8> {
        let name = name.as_ref();
        let mut key = Vec::with_capacity(KEY_BYTES + name.len());
        match self {
            // A dozen of these for each document: written without the machinery of formats.
            Self::Partition(number) if number < 10_000 => {
                key.extend_from_slice(b"{p:");
                key.extend([1000, 100, 10, 1].map(|place| b'0' + (number / place % 10) as u8));
                key.push(b'}');
            }
            Self::Partition(_) | Self::Gateway(_) | Self::Registry | Self::Deployment => {
                key.extend_from_slice(self.to_string().as_bytes());
            }
        }
        key.extend_from_slice(name);
        key
    }

    fn slot(self) -> u16 {
        crc16::State::<crc16::XMODEM>::calculate(self.to_string().trim_matches(['{', '}']).as_bytes()) % SLOTS
    }
}

/// Why Redis gave no usable answer. What was sent may have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    /// No connection, or no answer in time.
    #[error("Redis does not answer: {0}")]
    Away(String),
    /// An answer that says "not now": a replica is not in step yet, a slot is on its way, data are being loaded.
    #[error("Redis answers that it cannot now: {0}")]
    NotNow(String),
    /// An answer that will be the same next time.
    #[error("Redis refuses: {0}")]
    Refused(String),
}

/// Commands that go out together; the answers come in their order.
#[derive(Debug, Default, Clone)]
pub(super) struct Batch(Vec<(Tag, Cmd)>);

impl Batch {
    /// Adds a command; its keys must lie under the tag.
    pub fn put(&mut self, tag: Tag, cmd: Cmd) {
        self.0.push((tag, cmd));
    }

    /// Adds another one's commands.
    pub fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

enum Server {
    Single(Client, Connections<MultiplexedConnection>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>, Connections<MultiplexedConnection>),
    Cluster(ClusterClient, Connections<ClusterConnection>),
}

/// A connection that is made again whenever it is needed.
pub(super) struct Link {
    server: Server,
    answer_max: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// A link to an address; connects when it is first used. `answer_max` = how long an answer may take.
    pub fn new(address: &Address, answer_max: Duration) -> Result<Self, LinkError> {
        let bad = |error: RedisError| LinkError::Refused(error.to_string());
        let server = match address {
            Address::Single(url) => {
                Server::Single(Client::open(url.as_str()).map_err(bad)?, Connections::default())
            }
            Address::Sentinel { urls, master } => {
                let client =
                    SentinelClient::build(urls.clone(), master.clone(), None, SentinelServerType::Master)
                        .map_err(bad)?;
                Server::Sentinel(Box::new(tokio::sync::Mutex::new(client)), Connections::default())
            }
            Address::Cluster(urls) => {
                let client = ClusterClient::builder(urls.clone())
                    .retries(CLUSTER_RETRIES)
                    .connection_timeout(answer_max)
                    .response_timeout(answer_max)
                    .overall_response_timeout(Some(answer_max))
                    .build()
                    .map_err(bad)?;
                Server::Cluster(client, Connections::default())
            }
        };
        Ok(Self { server, answer_max })
    }

    /// Sends a batch; one answer for each command.
    pub async fn run(&self, batch: Batch) -> Result<Vec<Value>, LinkError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match &self.server {
            Server::Single(_, connections) | Server::Sentinel(_, connections) => {
                self.run_on_one(connections, batch).await
            }
            Server::Cluster(client, connections) => {
                let connection = self.connect_to_cluster(client, connections).await?;
                let answers = run_on_cluster(&connection, batch).await;
                if let Err(LinkError::Away(_) | LinkError::NotNow(_)) = &answers {
                    // Also where a slot has moved: an answer inside a pipeline does not make the client look again.
                    connections.set(None);
                }
                answers
            }
        }
    }

    /// Sends one command.
    pub async fn ask(&self, tag: Tag, cmd: Cmd) -> Result<Value, LinkError> {
        let mut batch = Batch::default();
        batch.put(tag, cmd);
        self.run(batch).await?.pop().ok_or_else(|| LinkError::Away("an empty answer".to_owned()))
    }

    /// Sends one command to the server that holds a slot.
    pub async fn ask_at(&self, slot: u16, cmd: Cmd) -> Result<Value, LinkError> {
        let Server::Cluster(client, current) = &self.server else {
            return self.ask(Tag::Deployment, cmd).await;
        };
        let mut connection = self.connect_to_cluster(client, current).await?;
        let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        let answers = connection.route_pipeline(pipeline_of([cmd]), 0, 1, route).await;
        let answers = answers.map_err(|error| LinkError::Away(error.to_string()))?;
        let answers = checked(answers, 1)?;
        answers.into_iter().next().ok_or_else(|| LinkError::Away("an empty answer".to_owned()))
    }

    /// A slot of every server that holds any.
    pub async fn slots_of_servers(&self) -> Result<Vec<u16>, LinkError> {
        let Server::Cluster(..) = &self.server else { return Ok(vec![0]) };
        let mut slots = BTreeMap::new();
        for (first, _, server) in self.slot_ranges().await? {
            slots.entry(server).or_insert(first);
        }
        Ok(slots.into_values().collect())
    }

    /// The slots of a cluster with the servers that take writes for them; nothing where there is no cluster.
    pub async fn primaries_of_slots(&self) -> Result<Vec<String>, LinkError> {
        let Server::Cluster(..) = &self.server else { return Ok(Vec::new()) };
        let ranges = self.slot_ranges().await?.into_iter();
        Ok(ranges.map(|(first, last, server)| format!("{first}-{last}={server}")).collect())
    }

    /// What a server that is no cluster says of itself.
    pub async fn info(&self) -> Result<String, LinkError> {
        text_of(self.ask(Tag::Deployment, redis::cmd("INFO")).await?)
    }

    async fn slot_ranges(&self) -> Result<Vec<(u16, u16, String)>, LinkError> {
        let mut cmd = redis::cmd("CLUSTER");
        cmd.arg("SLOTS");
        let unknown = || LinkError::Away("the cluster does not say who holds which slot".to_owned());
        let Value::Array(ranges) = self.ask_at(0, cmd).await? else { return Err(unknown()) };
        let mut found = Vec::with_capacity(ranges.len());
        for range in ranges {
            let Value::Array(parts) = range else { return Err(unknown()) };
            let [Value::Int(first), Value::Int(last), Value::Array(server), ..] = parts.as_slice() else {
                return Err(unknown());
            };
            let slot = |number: i64| u16::try_from(number).map_err(|_| unknown());
            found.push((slot(*first)?, slot(*last)?, format!("{server:?}")));
        }
        Ok(found)
    }

    async fn run_on_one(
        &self,
        connections: &Connections<MultiplexedConnection>,
        batch: Batch,
    ) -> Result<Vec<Value>, LinkError> {
        let mut connection = self.connect(connections).await?;
        let count = batch.len();
        let pipeline = pipeline_of(batch.0.into_iter().map(|(_, cmd)| cmd));
        let sent = connection.req_packed_commands(&pipeline, 0, count).await;
        let answers =
            sent.map_err(|error| LinkError::Away(error.to_string())).and_then(|v| checked(v, count));
        if let Err(LinkError::Away(_) | LinkError::NotNow(_)) = &answers {
            // Answers to what was sent before may still come; and a primary that became a replica says "not now".
            connections.set(None);
        }
        answers
    }

    async fn connect(
        &self,
        connections: &Connections<MultiplexedConnection>,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_max))
            .set_response_timeout(Some(self.answer_max));
        let connecting = async || match &self.server {
            Server::Single(client, _) => client.get_multiplexed_async_connection_with_config(&config).await,
            Server::Sentinel(client, _) => {
                client.lock().await.get_async_connection_with_config(&config).await
            }
            Server::Cluster(..) => Err(RedisError::from((redis::ErrorKind::Client, "not a single server"))),
        };
        connections.get_or(2 * self.answer_max, connecting).await
    }

    async fn connect_to_cluster(
        &self,
        client: &ClusterClient,
        connections: &Connections<ClusterConnection>,
    ) -> Result<ClusterConnection, LinkError> {
        connections.get_or(4 * self.answer_max, async || client.get_async_connection().await).await
    }
}

/// One pipeline for each tag, all at once.
async fn run_on_cluster(connection: &ClusterConnection, batch: Batch) -> Result<Vec<Value>, LinkError> {
    let count = batch.len();
    let mut by_tag: BTreeMap<Tag, (Vec<usize>, Vec<Cmd>)> = BTreeMap::new();
    for (place, (tag, cmd)) in batch.0.into_iter().enumerate() {
        let (places, commands) = by_tag.entry(tag).or_default();
        places.push(place);
        commands.push(cmd);
    }
    let sent = by_tag.into_iter().map(|(tag, (places, commands))| {
        let mut connection = connection.clone();
        let route = SingleNodeRoutingInfo::SpecificNode(Route::new(tag.slot(), SlotAddr::Master));
        async move {
            let count = commands.len();
            let answers = connection.route_pipeline(pipeline_of(commands), 0, count, route).await;
            let answers = answers.map_err(|error| LinkError::Away(error.to_string()))?;
            checked(answers, count).map(|answers| (places, answers))
        }
    });
    let mut answers = vec![Value::Nil; count];
    for part in futures_util::future::join_all(sent).await {
        let (places, values) = part?;
        for (place, value) in places.into_iter().zip(values) {
            if let Some(answer) = answers.get_mut(place) {
                *answer = value;
            }
        }
    }
    Ok(answers)
}

fn pipeline_of(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for cmd in commands {
        pipeline.add_command(cmd);
    }
    pipeline
}

fn checked(values: Vec<Value>, count: usize) -> Result<Vec<Value>, LinkError> {
    if values.len() == count {
        checked_any(values)
    } else {
        Err(LinkError::Away(format!("{} answers to {count} commands", values.len())))
    }
}

/// An error among the answers fails the batch: everything in it may be sent again.
fn checked_any(values: Vec<Value>) -> Result<Vec<Value>, LinkError> {
    for value in &values {
        if let Value::ServerError(error) = value {
            let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
            return Err(match error.code() {
                // Memory is full, or the caller is not let in: somebody has to do something.
                "OOM" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "WRONGTYPE" | "ERR" => LinkError::Refused(text),
                _ => LinkError::NotNow(text),
            });
        }
    }
    Ok(values)
}
