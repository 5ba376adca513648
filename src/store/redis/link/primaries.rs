//! What every primary says of itself, for whoever looks whether they are fit for a ledger. Errors of a server are
//! answers here: that something is not allowed is worth knowing too.

use super::{Connections, Link, LinkError, Server, pipeline_of};
use crate::store::redis::address::Address;
use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, Value};
use std::collections::BTreeMap;

/// One server's answers, in the order of the commands.
#[derive(Debug)]
pub(in crate::store::redis) struct Said {
    /// Its address, without a password.
    pub at: String,
    pub replies: Vec<Value>,
}

/// Everybody's answers.
#[derive(Debug)]
pub(in crate::store::redis) struct Primaries {
    pub servers: Vec<Said>,
    /// Why the nodes of a cluster could not be asked; then one server that the address names answered alone.
    pub no_cluster: Option<LinkError>,
}

impl Link {
    /// Sends the same commands to the primary, or to every primary of a cluster. `address` = the one of this link.
    pub async fn ask_primaries(&self, address: &Address, commands: &[Cmd]) -> Result<Primaries, LinkError> {
        let alone = |at, replies| Primaries { servers: vec![Said { at, replies }], no_cluster: None };
        match (&self.server, address) {
            (Server::Single(client, connections), _) => {
                let at = client.get_connection_info().addr().to_string();
                Ok(alone(at, self.ask_one(connections, commands).await?))
            }
            (Server::Sentinel(_, connections), Address::Sentinel { master, .. }) => {
                let at = format!("the primary of {master:?}");
                Ok(alone(at, self.ask_one(connections, commands).await?))
            }
            (Server::Sentinel(_, connections), _) => {
                Ok(alone("the primary".to_owned(), self.ask_one(connections, commands).await?))
            }
            (Server::Cluster(client, current), address) => {
                let asked = match self.connect_to_cluster(client, current).await {
                    Ok(connection) => ask_all(&connection, commands).await,
                    Err(error) => Err(error),
                };
                match (asked, address) {
                    (Ok(servers), _) => Ok(Primaries { servers, no_cluster: None }),
                    (Err(error), Address::Cluster(urls)) => self.ask_a_seed(urls, commands, error).await,
                    (Err(error), Address::Single(_) | Address::Sentinel { .. }) => Err(error),
                }
            }
        }
    }

    async fn ask_one(
        &self,
        connections: &Connections<MultiplexedConnection>,
        commands: &[Cmd],
    ) -> Result<Vec<Value>, LinkError> {
        let connection = self.connect(connections).await?;
        let answers = all_of(connection, commands).await;
        if answers.is_err() {
            connections.set(None);
        }
        answers
    }

    /// The first server of the address that answers by itself; what it says tells why there is no cluster.
    async fn ask_a_seed(
        &self,
        urls: &[String],
        commands: &[Cmd],
        error: LinkError,
    ) -> Result<Primaries, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_max))
            .set_response_timeout(Some(self.answer_max));
        for url in urls {
            let Ok(client) = Client::open(url.as_str()) else { continue };
            let Ok(connection) = client.get_multiplexed_async_connection_with_config(&config).await else {
                continue;
            };
            if let Ok(replies) = all_of(connection, commands).await {
                let at = client.get_connection_info().addr().to_string();
                return Ok(Primaries { servers: vec![Said { at, replies }], no_cluster: Some(error) });
            }
        }
        Err(error)
    }
}

async fn all_of(mut connection: MultiplexedConnection, commands: &[Cmd]) -> Result<Vec<Value>, LinkError> {
    let pipeline = pipeline_of(commands.iter().cloned());
    let answers = connection.req_packed_commands(&pipeline, 0, commands.len()).await;
    answers.map_err(|error| LinkError::Away(error.to_string()))
}

async fn ask_all(connection: &ClusterConnection, commands: &[Cmd]) -> Result<Vec<Said>, LinkError> {
    let away = |error: RedisError| LinkError::Away(error.to_string());
    let asked = commands.iter().map(|cmd| {
        let (mut connection, cmd) = (connection.clone(), cmd.clone());
        let everybody = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        async move { connection.route_command(cmd, everybody).await }
    });
    let mut servers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for answers in join_all(asked).await {
        let Value::Map(answers) = answers.map_err(away)? else {
            return Err(LinkError::Away("the nodes of the cluster do not answer one by one".to_owned()));
        };
        for (at, reply) in answers {
            let Value::BulkString(at) = at else { continue };
            servers.entry(String::from_utf8_lossy(&at).into_owned()).or_default().push(reply);
        }
    }
    // A node that joined or left in between answered some of them only.
    servers.retain(|_, replies| replies.len() == commands.len());
    Ok(servers.into_iter().map(|(at, replies)| Said { at, replies }).collect())
}
