//! What came out: figures, ratios, goals; a table for eyes and JSON for scripts. Must not know how it was measured.

use crate::driver::{FaultsSeen, OpenLoop, Saturation};
use crate::machine::{self, Commit, Machine};
use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use tracegate::clock::{Clock, SystemClock};

/// One run of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Report<S, R> {
    /// Its name.
    pub scenario: &'static str,
    /// When it was finished.
    pub finished_at: String,
    /// Where.
    pub machine: Machine,
    /// Of what.
    pub commit: Commit,
    /// The command line.
    pub command: Vec<String>,
    /// Every setting.
    pub settings: S,
    /// The figures.
    pub result: R,
    /// What they should be, and whether they are.
    pub goals: Vec<Goal>,
    /// Everything that went wrong; a run with faults has failed.
    pub faults: FaultsSeen,
}

/// What a figure should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Goal {
    /// Of which figure.
    pub figure: &'static str,
    /// The bound.
    pub bound: f64,
    /// Whether the figure must be at least (or else at most) the bound.
    pub at_least: bool,
    /// The figure.
    pub measured: f64,
    /// Whether it is reached.
    pub reached: bool,
}

impl Goal {
    /// A figure that must be at least this.
    pub fn at_least(figure: &'static str, bound: f64, measured: f64) -> Self {
        Self { figure, bound, at_least: true, measured, reached: measured >= bound }
    }

    /// A figure that must be at most this.
    pub fn at_most(figure: &'static str, bound: f64, measured: f64) -> Self {
        Self { figure, bound, at_least: false, measured, reached: measured <= bound }
    }
}

/// One figure over several rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these figures; zeros where there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
        let (count, last) = (sorted.len(), sorted.len().saturating_sub(1));
        Self { median: f64::midpoint(at(last / 2), at(count / 2)), min: at(0), max: at(last) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, min, max } = self;
        write!(f, "{median:.3} (min {min:.3}, max {max:.3})")
    }
}

/// The same phase, met by the empty server and by the gateway, one right after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round<P> {
    /// From 1.
    pub round: usize,
    /// The empty server.
    pub peer: P,
    /// The gateway.
    pub gateway: P,
}

/// Gateway and empty server over several rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Codes in one request.
    pub codes_per_request: usize,
    /// Bytes of one answer; the empty server gives the gateway's own.
    pub answer_bytes: usize,
    /// Both saturated.
    pub saturation: Vec<Round<Saturation>>,
    /// Throughput of the gateway over that of the empty server, round by round.
    pub throughput_ratio: Spread,
    /// Codes per second of the gateway.
    pub gateway_codes_per_second: Spread,
    /// Requests per second that the open loop offers to both.
    pub offered_per_second: f64,
    /// Both met by the same open loop.
    pub open_loop: Vec<Round<OpenLoop>>,
    /// p99 of the gateway less that of the empty server, round by round, in milliseconds.
    pub p99_difference_ms: Spread,
}

impl Comparison {
    /// All faults of all phases.
    pub fn faults(&self) -> FaultsSeen {
        faults_of(self.phases())
    }

    /// Every phase as the number of its requests, and its faults.
    pub fn phases(&self) -> impl Iterator<Item = (u64, &FaultsSeen)> {
        let saturation = self.saturation.iter().flat_map(|r| [&r.peer, &r.gateway]);
        let open_loop = self.open_loop.iter().flat_map(|r| [&r.peer, &r.gateway]);
        saturation
            .map(|phase| (phase.closed_loop.count, &phase.faults))
            .chain(open_loop.map(|phase| (phase.due, &phase.faults)))
    }
}

const FAULTS_SHOWN: usize = 10;

/// The faults of phases with so many requests each.
pub fn faults_of<'a>(phases: impl Iterator<Item = (u64, &'a FaultsSeen)>) -> FaultsSeen {
    let (mut requests, mut all) = (0, FaultsSeen::default());
    for (of, faults) in phases {
        requests += of.max(faults.count);
        all.count += faults.count;
        all.first.extend(faults.first.iter().cloned());
    }
    all.first.truncate(FAULTS_SHOWN);
    all.share = if requests == 0 { 0.0 } else { all.count as f64 / requests as f64 };
    all
}

/// Something that people can read.
pub trait Tables {
    /// As tables.
    fn tables(&self) -> String;
}

impl Tables for Comparison {
    fn tables(&self) -> String {
        let mut saturated =
            table(["round", "server", "requests/s", "codes/s", "server CPU µs", "driver CPU µs"]);
        for Round { round, peer, gateway } in &self.saturation {
            for (name, phase) in [("peer", peer), ("gateway", gateway)] {
                saturated.add_row([
                    round.to_string(),
                    name.to_owned(),
                    format!("{:.0}", phase.requests_per_second),
                    format!("{:.0}", phase.requests_per_second * self.codes_per_request as f64),
                    format!("{:.1}", phase.server_cpu_us_per_request),
                    format!("{:.1}", phase.driver_cpu_us_per_request),
                ]);
            }
        }
        let mut open = table(["round", "server", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "late"]);
        for Round { round, peer, gateway } in &self.open_loop {
            for (name, phase) in [("peer", peer), ("gateway", gateway)] {
                let latency = &phase.latency;
                let times = [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us];
                let mut row = vec![round.to_string(), name.to_owned()];
                row.extend(times.map(|us| format!("{:.2}", us as f64 / 1000.0)));
                row.push(phase.late.to_string());
                open.add_row(row);
            }
        }
        format!(
            "saturation: gateway / peer {}\n{saturated}\nopen loop at {:.0} requests/s, latency from when a request was \
             due: p99 of the gateway is {} ms over the peer's\n{open}",
            self.throughput_ratio, self.offered_per_second, self.p99_difference_ms
        )
    }
}

/// Microseconds as milliseconds.
pub fn ms(us: u64) -> String {
    format!("{:.1}", us as f64 / 1000.0)
}

/// A table with a header.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}

impl<S: Serialize, R: Serialize + Tables> Report<S, R> {
    /// A report of what was just measured.
    pub fn new(scenario: &'static str, machine: Machine, settings: S, result: R) -> Self {
        Self {
            scenario,
            finished_at: SystemClock.now().to_string(),
            machine,
            commit: machine::commit(),
            command: machine::command(),
            settings,
            result,
            goals: Vec::new(),
            faults: FaultsSeen::default(),
        }
    }

    /// Prints the table, or the JSON, and writes the JSON; an error where the run had faults.
    pub fn finish(&self, out: &Path, as_json: bool) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        // Printed first: a file that cannot be written must not cost the run.
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", if as_json { json.clone() } else { self.to_string() })?;
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::write(out, format!("{json}\n")).with_context(|| out.display().to_string())?;
        if !as_json {
            writeln!(stdout, "written to {}", out.display())?;
        }
        self.check()
    }

    /// An error where anything went wrong: wrong answers are not measured.
    pub fn check(&self) -> Result<()> {
        if self.faults.count == 0 {
            return Ok(());
        }
        let FaultsSeen { count, share, first } = &self.faults;
        anyhow::bail!("{count} requests went wrong ({:.3} %):\n  {}", share * 100.0, first.join("\n  "))
    }
}

impl<S: Serialize, R: Serialize + Tables> std::fmt::Display for Report<S, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { cpu, cores, memory_mib, kernel, load_average } = &self.machine;
        let Commit { id, dirty, build } = &self.commit;
        let changed = if *dirty { " with changes" } else { "" };
        writeln!(
            f,
            "{}: {cores} cores for server and driver, {cpu}, {memory_mib} MiB, {kernel}",
            self.scenario
        )?;
        writeln!(f, "commit {id}{changed}, {build} build, load average {load_average} before the run\n")?;
        writeln!(f, "{}", self.result.tables())?;
        for Goal { figure, bound, at_least, measured, reached } in &self.goals {
            let (sign, word) =
                (if *at_least { "≥" } else { "≤" }, if *reached { "reached" } else { "not reached" });
            writeln!(f, "{figure}: {measured:.3}, goal {sign} {bound}: {word}")?;
        }
        Ok(())
    }
}

/// Where a scenario's JSON goes if nobody says otherwise: the crate's `results/`, or the working directory where
/// the sources are not there.
pub fn default_out(scenario: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if sources.is_dir() { sources.join("results") } else { PathBuf::from(".") };
    folder.join(format!("{scenario}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        let check = |figures: &[f64], median: f64, min: f64, max: f64| {
            assert_eq!(Spread::of(figures.iter().copied()), Spread { median, min, max }, "{figures:?}");
        };
        check(&[3.0, 1.0, 2.0], 2.0, 1.0, 3.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5, 1.0, 4.0);
        check(&[5.0], 5.0, 5.0, 5.0);
        check(&[], 0.0, 0.0, 0.0);
    }

    #[test]
    fn goals_are_bounds_on_one_side() {
        assert!(Goal::at_least("x", 0.5, 0.5).reached && !Goal::at_least("x", 0.5, 0.49).reached);
        assert!(Goal::at_most("x", 2.0, 2.0).reached && !Goal::at_most("x", 2.0, 2.01).reached);
        assert!(!Goal::at_least("x", 0.5, f64::NAN).reached);
    }
}
