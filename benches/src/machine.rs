//! What the figures were measured on, read from the system.

use std::fs;

/// One line: processor, CPUs, kernel, and how many threads wanted a CPU in the last minute.
#[must_use]
pub fn line() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim())
    };
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} (family {} model {}), {cpus} CPUs, Linux {}, load {}",
        value("model name"),
        value("cpu family"),
        value("model\t"),
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// Memory of this process that no other shares and no file backs, in bytes: what its heap takes.
///
/// # Panics
///
/// If the kernel does not say.
#[must_use]
pub fn private_bytes() -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps_rollup").expect("a Linux kernel since 4.14");
    let anonymous = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = anonymous.and_then(|rest| rest.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a number of kB") * 1024
}

/// Where the live segments of a bench go: a memory file system, if there is one.
#[must_use]
pub fn memory_folder() -> std::path::PathBuf {
    let shm = std::path::Path::new("/dev/shm");
    if shm.is_dir() { shm.into() } else { std::env::temp_dir() }
}
