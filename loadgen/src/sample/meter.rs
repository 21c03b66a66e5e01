//! CPU time, memory and threads of a family of processes, from /proc (proc(5)).
//!
//! Invariants: a process that ends keeps what it had used in the sum; what cannot be read any more is no error, the
//! caller asks [`Meter::ended`].

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

/// More processes than this are not followed.
const PROCESSES_MAX: usize = 1024;

/// What a family of processes uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and kernel, all threads, since the first process began. The kernel counts in ticks of 10 ms.
    pub cpu_ns: u64,
    pub resident_bytes: u64,
    pub threads: u64,
    pub processes: u64,
}

/// Reads a family: the named processes and all their descendants.
#[derive(Debug)]
pub struct Meter {
    roots: Vec<u32>,
    /// By process: nanoseconds of CPU when it was last read.
    cpu_ns: BTreeMap<u32, u64>,
    ended: Vec<u32>,
}

/// What is in a `stat` file.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Meter {
    /// Of these processes; fails if one of them is not there.
    pub fn of(pids: &[u32]) -> Result<Self> {
        for pid in pids {
            let path = format!("/proc/{pid}/stat");
            let text = fs::read_to_string(&path).with_context(|| format!("process {pid} is not there ({path})"))?;
            if stat(&text).is_none() {
                bail!("{path} cannot be understood: {text}");
            }
        }
        Ok(Self {
            roots: pids.to_vec(),
            cpu_ns: BTreeMap::new(),
            ended: Vec::new(),
        })
    }

    /// What the family has used by now.
    pub fn read(&mut self) -> Usage {
        let mut usage = Usage::default();
        for pid in self.family() {
            let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
                .ok()
                .as_deref()
                .and_then(stat)
            else {
                continue;
            };
            self.cpu_ns.insert(
                pid,
                stat.ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second(),
            );
            usage.resident_bytes += stat.resident_pages * rustix::param::page_size() as u64;
            usage.threads += stat.threads;
            usage.processes += 1;
        }
        usage.cpu_ns = self.cpu_ns.values().sum();
        usage
    }

    /// The same with memory to the page: what `stat` says may lag by some hundred KiB a thread.
    pub fn read_exactly(&mut self) -> Usage {
        let mut usage = self.read();
        let pages: Option<u64> = self.family().into_iter().map(rolled_up_bytes).sum();
        usage.resident_bytes = pages.unwrap_or(usage.resident_bytes);
        usage
    }

    /// Which of the named processes have ended.
    pub fn ended(&self) -> Vec<u32> {
        self.ended.clone()
    }

    /// The named processes that live, and their descendants.
    fn family(&mut self) -> Vec<u32> {
        for pid in &self.roots {
            if !self.ended.contains(pid) && !lives(*pid) {
                self.ended.push(*pid);
            }
        }
        let mut family: Vec<u32> = self.roots.clone();
        family.sort_unstable();
        family.dedup();
        let mut next = 0;
        while let Some(&pid) = family.get(next) {
            next += 1;
            for child in children(pid) {
                if family.len() < PROCESSES_MAX && !family.contains(&child) {
                    family.push(child);
                }
            }
        }
        family
    }
}

/// Ended and not yet waited for is ended.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| {
        text.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    })
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            text.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Fields 14, 15, 20 and 24. The name, field 2, stands in brackets and may hold anything, brackets too.
fn stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        ticks: field(14)? + field(15)?,
        threads: field(20)?,
        resident_pages: field(24)?,
    })
}

/// `None` if the process has ended or may not be looked into.
fn rolled_up_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_the_strangest_name() {
        let text = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 41 1 0 0 20 0 12 0 99 4096 77 18446744073709551615";
        let expected = Stat {
            ticks: 42,
            threads: 12,
            resident_pages: 77,
        };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat("7 (short) S 1"), None);
        assert_eq!(stat("nothing"), None);
    }

    #[test]
    fn children_count_and_the_ended_are_noticed_and_not_forgotten() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut meter = Meter::of(&[child.id()]).unwrap();
        assert_eq!((meter.read().processes, meter.ended()), (1, vec![]));
        meter.cpu_ns.insert(child.id(), 7);
        child.kill().unwrap();
        child.wait().unwrap();
        let usage = meter.read();
        assert_eq!((usage.processes, usage.cpu_ns, meter.ended()), (0, 7, vec![child.id()]));
    }

    #[test]
    fn our_own_memory_can_be_read_both_ways() {
        let mut meter = Meter::of(&[std::process::id()]).unwrap();
        assert!(meter.read().resident_bytes > 100_000);
        assert!(meter.read_exactly().resident_bytes > 100_000);
    }
}
