//! What a worker may use of the machine: its cores (affinity mask and cgroup quota), its pin, its
//! share of descriptors.

use std::fs;
use std::io;
use std::path::Path;

/// A core as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Core(pub usize);

/// The cores that the affinity mask of this thread allows, in order; never empty.
pub fn allowed_cores() -> Vec<Core> {
    let mut cores: Vec<_> =
        core_affinity::get_core_ids().into_iter().flatten().map(|core| Core(core.id)).collect();
    cores.sort_unstable();
    if cores.is_empty() {
        cores.push(Core(0));
    }
    cores
}

/// How many workers to start when the configuration says nothing: one for each allowed core, fewer
/// when the cgroup's CPU quota pays for less (rounded up, at least one).
pub fn default_count() -> usize {
    let cores = allowed_cores().len();
    match cpu_quota(Path::new("/sys/fs/cgroup"), Path::new("/proc/self/cgroup")) {
        Some(quota) => (quota.ceil() as usize).clamp(1, cores),
        None => cores,
    }
}

/// Pins the current thread; `false` when the kernel refuses.
pub fn pin(core: Core) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core.0 })
}

/// Raises the limit of open descriptors to the hard limit; the value that is now in force.
pub fn raise_nofile() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    super::socket::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // SAFETY: `wanted` is valid for reading.
        super::socket::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) })?;
        limit = wanted;
    }
    Ok(limit.rlim_cur)
}

/// Memory of the machine in bytes; `None` where it cannot be read.
pub fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The smallest CPU quota on the way from this process's cgroup to the root, in cores; v2 and v1.
fn cpu_quota(mount: &Path, membership: &Path) -> Option<f64> {
    let groups = super::cgroup::groups_of(mount, membership, "cpu");
    let quotas = groups.iter().filter_map(|group| match group.is_v2 {
        true => quota_v2(&group.directory),
        false => quota_v1(&group.directory),
    });
    quotas.reduce(f64::min)
}

/// `cpu.max`: "max 100000" or "150000 100000".
fn quota_v2(directory: &Path) -> Option<f64> {
    let text = fs::read_to_string(directory.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
fn quota_v1(directory: &Path) -> Option<f64> {
    let read = |name| fs::read_to_string(directory.join(name)).ok();
    ratio(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas() {
        for (case, files, membership, expected) in [
            ("none", &[][..], "0::/\n", None),
            ("v2", &[("cpu.max", "150000 100000\n")], "0::/\n", Some(1.5)),
            ("v2 without limit", &[("cpu.max", "max 100000\n")], "0::/\n", None),
            (
                "v2, the parent is tighter",
                &[("a/cpu.max", "50000 100000"), ("a/b/cpu.max", "200000 100000")],
                "0::/a/b\n",
                Some(0.5),
            ),
            (
                "v2, the path of the host",
                &[("cpu.max", "200000 100000")],
                "0::/kubepods/pod1\n",
                Some(2.0),
            ),
            (
                "v1",
                &[("cpu/cpu.cfs_quota_us", "250000\n"), ("cpu/cpu.cfs_period_us", "100000\n")],
                "4:cpu,cpuacct:/\n3:memory:/\n",
                Some(2.5),
            ),
            (
                "v1 without limit",
                &[("cpu/cpu.cfs_quota_us", "-1\n"), ("cpu/cpu.cfs_period_us", "100000\n")],
                "4:cpu,cpuacct:/\n",
                None,
            ),
        ] {
            let mount = tempfile::tempdir().expect("a temporary directory");
            for (name, text) in files {
                let path = mount.path().join(name);
                fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                fs::write(path, text).expect("a file");
            }
            let own = mount.path().join("self");
            fs::write(&own, membership).expect("a file");
            assert_eq!(cpu_quota(mount.path(), &own), expected, "{case}");
        }
    }

    #[test]
    fn this_machine() {
        let cores = allowed_cores();
        assert!(!cores.is_empty());
        assert!((1..=cores.len()).contains(&default_count()));
        assert!(raise_nofile().is_ok_and(|limit| limit > 0));
        std::thread::spawn(move || {
            assert!(pin(cores[0]));
            assert_eq!(allowed_cores(), [cores[0]]);
        })
        .join()
        .expect("the pinned thread ends well");
    }
}
