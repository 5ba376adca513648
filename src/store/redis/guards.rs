//! Whether a Redis is fit to keep a ledger, looked at before anything is written: one that evicts, forgets at a restart
//! or answers for half of the slots would take boxes for unsold. Knows settings of servers, nothing of claims.

use super::address::Address;
use super::link::{Link, LinkError, Said};
use super::reply::pairs_of;
use super::{OpenError, RedisOptions};
use redis::{Cmd, Value as Reply};
use std::collections::HashMap;
use std::fmt;

mod rules;
#[cfg(test)]
mod tests;

/// Settings that only CONFIG GET tells.
const SETTINGS: [&str; 5] = [
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "appendfsync",
    "min-replicas-to-write",
    "cluster-require-full-coverage",
];

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No gateway starts with it: sales would be forgotten, or none taken.
    Refuse,
    /// It works, and will hurt some day.
    Warn,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The servers, as `host:port`.
    pub at: Vec<String>,
    /// What is wrong, and what to do where no line of redis.conf does it.
    pub what: String,
    /// The line as it belongs into redis.conf; `CONFIG SET` takes the same words.
    pub line_to_change: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at.join(", "), self.what)?;
        match &self.line_to_change {
            Some(line) => write!(f, ". In redis.conf: `{line}`; at once: `CONFIG SET {line}`"),
            None => Ok(()),
        }
    }
}

/// How `store.url` says that Redis is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Single,
    Sentinel,
    Cluster,
}

/// What one server says of itself.
#[derive(Debug, Clone, Default)]
struct Server {
    at: String,
    /// `INFO` and `CLUSTER INFO`, line by line; empty where it may not be asked.
    info: HashMap<String, String>,
    /// `CONFIG GET`, as far as it was answered.
    settings: HashMap<String, String>,
}

/// Everything that is judged.
#[derive(Debug)]
struct Facts {
    reached: Reached,
    allow_volatile: bool,
    /// The primaries.
    servers: Vec<Server>,
    /// Whether these are all that could be found, and not one that answered for a cluster that cannot be reached.
    are_all: bool,
}

/// Looks at every primary; warns, or refuses with everything that must be changed.
pub(super) async fn check(link: &Link, options: &RedisOptions) -> Result<(), OpenError> {
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg(&SETTINGS);
    let mut cluster = redis::cmd("CLUSTER");
    cluster.arg("INFO");
    let commands: [Cmd; 3] = [redis::cmd("INFO"), config, cluster];
    let asked = link.ask_primaries(&options.address, &commands).await?;
    let facts = Facts {
        reached: match &options.address {
            Address::Single(_) => Reached::Single,
            Address::Sentinel { .. } => Reached::Sentinel,
            Address::Cluster(_) => Reached::Cluster,
        },
        allow_volatile: options.allow_volatile,
        servers: asked.servers.into_iter().map(Server::of).collect::<Result<_, _>>()?,
        are_all: asked.no_cluster.is_none(),
    };
    let (refused, warned): (Vec<_>, Vec<_>) =
        judge(&facts).into_iter().partition(|problem| problem.severity == Severity::Refuse);
    for problem in warned {
        tracing::warn!("Redis: {problem}");
    }
    match asked.no_cluster {
        _ if !refused.is_empty() => Err(OpenError::Unfit(refused)),
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

impl Server {
    fn of(said: Said) -> Result<Self, LinkError> {
        let Said { at, replies } = said;
        let mut server = Self { at, ..Self::default() };
        let mut replies = replies.into_iter();
        let info = replies.next();
        // Without a password it answers nothing at all: that is no matter of settings.
        if let Some(Reply::ServerError(error)) = &info
            && error.code() == "NOAUTH"
        {
            return Err(LinkError::Refused(format!("{}: NOAUTH, store.url has no password", server.at)));
        }
        server.read_info(info);
        let settings = replies.next().and_then(|reply| pairs_of(reply).ok()).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        server.settings = settings.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        server.read_info(replies.next());
        Ok(server)
    }

    fn read_info(&mut self, reply: Option<Reply>) {
        let text = match reply {
            Some(Reply::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Reply::SimpleString(text) | Reply::VerbatimString { text, .. }) => text,
            Some(_) | None => return,
        };
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        self.info.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }
}

/// Everything that is not as it should be, refusals first; one problem for all servers that have it.
fn judge(facts: &Facts) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for server in &facts.servers {
        for problem in rules::of_server(facts, server) {
            let same = |known: &&mut Problem| {
                (known.severity, &known.what, &known.line_to_change)
                    == (problem.severity, &problem.what, &problem.line_to_change)
            };
            match problems.iter_mut().find(same) {
                Some(known) => known.at.extend(problem.at),
                None => problems.push(problem),
            }
        }
    }
    problems.extend(rules::of_cluster(facts));
    problems.sort_by_key(|problem| problem.severity);
    problems
}
