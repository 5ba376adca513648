//! This process as the system sees it: memory, CPU, open files. Says nothing where the system does not tell.

use super::names;
use metrics::gauge;

/// The process was looked at. `started_at` = seconds since 1970.
pub fn process_measured(started_at: f64) {
    gauge!(names::PROCESS_START).set(started_at);
    #[cfg(target_os = "linux")]
    measure();
}

#[cfg(target_os = "linux")]
fn measure() {
    let Ok(me) = procfs::process::Process::myself() else { return };
    if let Ok(stat) = me.stat() {
        let ticks = stat.utime.saturating_add(stat.stime);
        gauge!(names::PROCESS_CPU).set(ticks as f64 / procfs::ticks_per_second() as f64);
        gauge!(names::PROCESS_MEMORY).set(stat.rss.saturating_mul(procfs::page_size()) as f64);
    }
    if let Ok(files) = me.fd_count() {
        gauge!(names::PROCESS_FILES).set(files as f64);
    }
}
