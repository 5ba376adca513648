//! Where Redis is: a single server, one that Sentinel names, or a cluster.

use std::fmt;

/// An address out of `store.url`.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// `redis://HOST:PORT`.
    Single(String),
    /// `redis-sentinel://HOST:PORT,HOST:PORT/MASTER`.
    Sentinel {
        /// The sentinels.
        urls: Vec<String>,
        /// The name under which they know the primary.
        master: String,
    },
    /// `redis-cluster://HOST:PORT,HOST:PORT`.
    Cluster(Vec<String>),
}

/// A `store.url` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no Redis address; write redis://HOST:PORT, redis-sentinel://HOST:PORT,HOST:PORT/MASTER or \
     redis-cluster://HOST:PORT,HOST:PORT, each with USER:PASSWORD@ in front of the first host where one is needed"
)]
pub struct BadAddress;

/// The kind alone: an address may hold a password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "redis://…",
            Self::Sentinel { .. } => "redis-sentinel://…",
            Self::Cluster(_) => "redis-cluster://…",
        })
    }
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let parsed = if text.starts_with("redis://") {
            Some(Self::Single(text.to_owned()))
        } else if let Some(rest) = text.strip_prefix("redis-cluster://") {
            urls_of(rest).map(Self::Cluster)
        } else if let Some(rest) = text.strip_prefix("redis-sentinel://") {
            let (hosts, master) = rest.split_once('/').ok_or(BadAddress)?;
            let named = !master.is_empty() && !master.contains('/');
            urls_of(hosts).filter(|_| named).map(|urls| Self::Sentinel { urls, master: master.to_owned() })
        } else {
            None
        };
        parsed.filter(Self::is_lawful).ok_or(BadAddress)
    }

    fn is_lawful(&self) -> bool {
        let urls = match self {
            Self::Single(url) => std::slice::from_ref(url),
            Self::Sentinel { urls, .. } | Self::Cluster(urls) => urls,
        };
        !urls.is_empty() && urls.iter().all(|url| redis::parse_redis_url(url).is_some())
    }
}

/// One URL for each host; user and password stand before the first and hold for all.
fn urls_of(hosts: &str) -> Option<Vec<String>> {
    let (login, hosts) = hosts.rsplit_once('@').map_or((String::new(), hosts), |(l, h)| (format!("{l}@"), h));
    let hosts: Vec<_> = hosts.split(',').map(str::trim).collect();
    let lawful = hosts.iter().all(|host| !host.is_empty() && !host.contains('/'));
    lawful.then(|| hosts.into_iter().map(|host| format!("redis://{login}{host}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Address>) {
        assert_eq!(Address::parse(text).ok(), expected, "{text}");
    }

    #[test]
    fn addresses_are_read() {
        let urls = |hosts: &[&str]| hosts.iter().map(|h| format!("redis://{h}")).collect::<Vec<_>>();
        check("redis://127.0.0.1:6379", Some(Address::Single("redis://127.0.0.1:6379".into())));
        check("redis-cluster://a:1,b:2", Some(Address::Cluster(urls(&["a:1", "b:2"]))));
        check("redis-cluster://u:p@a:1,b:2", Some(Address::Cluster(urls(&["u:p@a:1", "u:p@b:2"]))));
        let master = "m".to_owned();
        check("redis-sentinel://a:1,b:2/m", Some(Address::Sentinel { urls: urls(&["a:1", "b:2"]), master }));
        for bad in
            ["", "embedded", "http://a:1", "redis-cluster://", "redis-cluster://a:1,", "redis-sentinel://a:1"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for text in
            ["redis://u:secret@a:1", "redis-cluster://u:secret@a:1", "redis-sentinel://u:secret@a:1/m"]
        {
            let shown = format!("{:?}", Address::parse(text).unwrap());
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
