//! What processes cost, as the kernel counts it: CPU time and resident memory from /proc; and limits of our own.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// CPU time that these processes have used, all their threads, in user and kernel (`utime + stime` of proc(5)).
/// Children that are not named do not count.
pub fn cpu(pids: &[u32]) -> Result<Duration> {
    pids.iter().map(|pid| cpu_of(&pid.to_string())).sum()
}

/// The same for this process.
pub fn own_cpu() -> Result<Duration> {
    cpu_of("self")
}

/// Resident memory of these processes together, in bytes.
pub fn resident_bytes(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|pid| resident_of(*pid)).sum()
}

/// Keeps this process on one core.
pub fn keep_to_core(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("core {core}"))
}

/// Raises the limit of open files as far as it goes, and says what it is.
pub fn raise_open_files() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

fn cpu_of(pid: &str) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
    let ticks = ticks(&stat).with_context(|| format!("{path} reads: {stat}"))?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// Fields 14 and 15. The name, field 2, stands in brackets and may hold anything, brackets too.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_of(pid: u32) -> Result<u64> {
    // The roll-up counts pages; VmRSS of `status` may lag by some hundred KiB a thread.
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .with_context(|| format!("no Rss in {path}"))?;
    Ok(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_the_strangest_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 41 1 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (short) S 1"), None);
    }

    #[test]
    fn our_own_figures_can_be_read() {
        assert!(resident_bytes(&[std::process::id()]).unwrap() > 100_000);
        own_cpu().unwrap();
    }
}
