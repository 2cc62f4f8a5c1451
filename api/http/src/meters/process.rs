//! Resource use of the process, read on request. Only Linux provides it.

use std::fmt::Write as _;

use domain::metrics::{Kind, METRICS};

/// Appends the process's metrics in Prometheus's text format. Unreadable ones are left out.
pub(super) fn render(text: &mut String) {
    for (name, value) in figures() {
        let Some(metric) = METRICS.iter().find(|metric| metric.name == name) else { continue };
        let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
        // writing to a string does not fail
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}\n{name} {value}\n", metric.help);
    }
}

#[cfg(not(target_os = "linux"))]
fn figures() -> Vec<(&'static str, f64)> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn figures() -> Vec<(&'static str, f64)> {
    use domain::metrics::{
        PROCESS_CPU_SECONDS, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY_BYTES,
        PROCESS_START_TIME_SECONDS, PROCESS_THREADS, PROCESS_VIRTUAL_MEMORY_BYTES,
    };
    use procfs::process::{LimitValue, Process};

    let Ok(process) = Process::myself() else { return Vec::new() };
    let mut figures = Vec::new();
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        figures.extend([
            (PROCESS_CPU_SECONDS, (stat.utime + stat.stime) as f64 / ticks),
            (PROCESS_RESIDENT_MEMORY_BYTES, stat.rss as f64 * procfs::page_size() as f64),
            (PROCESS_VIRTUAL_MEMORY_BYTES, stat.vsize as f64),
            (PROCESS_THREADS, stat.num_threads as f64),
        ]);
        if let Ok(boot) = procfs::boot_time_secs() {
            figures.push((PROCESS_START_TIME_SECONDS, boot as f64 + stat.starttime as f64 / ticks));
        }
    }
    figures.extend(process.fd_count().ok().map(|open| (PROCESS_OPEN_FDS, open as f64)));
    if let Ok(LimitValue::Value(most)) = process.limits().map(|limits| limits.max_open_files.soft_limit) {
        figures.push((PROCESS_MAX_FDS, most as f64));
    }
    figures
}
