//! Which servers the ledger stands on. Where one takes another's place, what the old one took last may be missing, and
//! a mark that was written since does not tell: it stands on the new one.

use super::Shared;
use super::link::{Link, LinkError};
use crate::clock::Stopwatch;
use std::collections::VecDeque;
use std::time::Duration;

/// What was logged for so long is looked at again when a server has changed: longer than a server that was replaced
/// takes to notice it.
const LOOKED_AT_AGAIN: Duration = Duration::from_secs(60);

/// The servers as they were last seen, and how far the log was then.
#[derive(Default)]
pub(super) struct Lineage {
    servers: Option<String>,
    positions: VecDeque<(Stopwatch, u64)>,
}

impl Lineage {
    /// The servers as they are before anything is begun: whatever changes from now on is noticed.
    pub async fn now(shared: &Shared) -> Result<Self, LinkError> {
        let mut lineage = Self::default();
        lineage.look(shared).await?;
        Ok(lineage)
    }

    /// Looks at the servers; gives the position of the log from which on everything must be looked at again, where
    /// they have changed.
    pub async fn look(&mut self, shared: &Shared) -> Result<Option<u64>, LinkError> {
        self.remember(shared.logged_up_to());
        let servers = servers(&shared.ledger.link).await?;
        let changed = self.servers.as_ref().is_some_and(|known| *known != servers);
        self.servers = Some(servers);
        Ok(changed.then(|| self.positions.front().map_or(0, |(_, position)| *position)))
    }

    /// The first position that is kept is older than what is looked at again, where there is any such.
    fn remember(&mut self, position: u64) {
        self.positions.push_back((Stopwatch::start(), position));
        while self.positions.get(1).is_some_and(|(since, _)| since.elapsed() >= LOOKED_AT_AGAIN) {
            self.positions.pop_front();
        }
    }
}

/// Names the servers that take writes, and their lives.
async fn servers(link: &Link) -> Result<String, LinkError> {
    let mut names = link.primaries_of_slots().await?;
    if names.is_empty() {
        let info = link.info().await?;
        let lives =
            info.lines().filter(|line| line.starts_with("run_id:") || line.starts_with("master_replid:"));
        names.extend(lives.map(str::to_owned));
    }
    names.sort();
    Ok(names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_position_is_kept_while_it_is_young() {
        let mut lineage = Lineage::default();
        for position in [5, 6, 7] {
            lineage.remember(position);
        }
        assert_eq!(lineage.positions.front().map(|(_, position)| *position), Some(5));
    }
}
