//! What control groups, v2 and v1, say about the memory of this process: limits, and what counts
//! against them now. Every group on the way to the root binds. Files only, so never on a worker.

use std::fs;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";
const MEMBERSHIP: &str = "/proc/self/cgroup";

/// The groups that limit this process's memory. Found once: a process hardly ever moves.
#[derive(Clone, Debug, Default)]
pub struct MemoryGroups(Vec<Group>);

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub directory: PathBuf,
    pub is_v2: bool,
}

/// The groups of this process that a v1 controller or v2 has, from its own up to the root.
pub(super) fn groups_of(mount: &Path, membership: &Path, controller: &str) -> Vec<Group> {
    let Ok(membership) = fs::read_to_string(membership) else { return Vec::new() };
    let mut groups = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let is_v2 = controllers.is_empty();
        if !is_v2 && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        let root = if is_v2 { mount.to_owned() } else { mount.join(controller) };
        // In a container the path is often that of the host, which is not mounted here: then the
        // mount's own root holds the limit.
        let own = root.join(path.trim_start_matches('/'));
        let on_the_way = own.ancestors().take_while(|at| at.starts_with(&root));
        groups.extend(on_the_way.map(|at| Group { directory: at.to_owned(), is_v2 }));
    }
    groups
}

/// One look at the group that is fullest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMemory {
    /// Bytes at which the kernel ends a process of the group.
    pub limit: u64,
    /// Bytes that count, without file pages.
    pub used: u64,
}

impl MemoryGroups {
    /// Those of this process.
    pub fn own() -> Self {
        Self::at(Path::new(MOUNT), Path::new(MEMBERSHIP))
    }

    fn at(mount: &Path, membership: &Path) -> Self {
        let mut groups = groups_of(mount, membership, "memory");
        groups.retain(|group| group.limit().is_some());
        Self(groups)
    }

    /// The smallest limit; `None` where no group has one.
    pub fn limit(&self) -> Option<u64> {
        self.0.iter().filter_map(Group::limit).min()
    }

    /// The group that is fullest now.
    pub fn fullest(&self) -> Option<GroupMemory> {
        let looks = self.0.iter().filter_map(|group| {
            let (limit, used) = (group.limit()?, group.used()?);
            Some(GroupMemory { limit, used })
        });
        looks.max_by_key(|group| u128::from(group.used) * 1_000_000 / u128::from(group.limit))
    }
}

impl Group {
    /// v2: `memory.max`, and `memory.high`, above which the kernel brakes the group until it hardly
    /// runs. v1: `memory.limit_in_bytes`, whose "none" is a number near 2^63.
    fn limit(&self) -> Option<u64> {
        let names: &[_] =
            if self.is_v2 { &["memory.max", "memory.high"] } else { &["memory.limit_in_bytes"] };
        let limits = names.iter().filter_map(|name| self.number(name));
        limits.filter(|limit| (1..1 << 62).contains(limit)).min()
    }

    /// File pages are left out: the kernel takes them back before it ends a process, and lets them
    /// fill whatever is free.
    fn used(&self) -> Option<u64> {
        let (usage, pages) = match self.is_v2 {
            true => ("memory.current", ["inactive_file ", "active_file "]),
            false => ("memory.usage_in_bytes", ["total_inactive_file ", "total_active_file "]),
        };
        let used = self.number(usage)?;
        let statistics = fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let bytes = |name| {
            let text = statistics.lines().find_map(|line| line.strip_prefix(name));
            text.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        Some(pages.into_iter().map(bytes).fold(used, u64::saturating_sub))
    }

    fn number(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.directory.join(name)).ok()?.trim().parse().ok()
    }
}

/// Memory of this process that is in RAM now, in bytes; `None` without `/proc`.
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn limits_and_use() {
        for (case, files, membership, expected) in [
            ("nothing", &[][..], "0::/\n", None),
            (
                "v2 without limit",
                &[("memory.max", "max\n"), ("memory.current", "5")],
                "0::/\n",
                None,
            ),
            (
                "v2, file pages do not count",
                &[
                    ("memory.max", "268435456\n"),
                    ("memory.current", "104857600\n"),
                    ("memory.stat", "anon 1\ninactive_file 1048576\nactive_file 2097152\n"),
                ],
                "0::/\n",
                Some((256 * MIB, 97 * MIB)),
            ),
            (
                "v2, the brake is nearer than the end",
                &[
                    ("memory.max", "268435456"),
                    ("memory.high", "134217728"),
                    ("memory.current", "0"),
                ],
                "0::/\n",
                Some((128 * MIB, 0)),
            ),
            (
                "v2, the parent is fuller",
                &[
                    ("a/memory.max", "104857600"),
                    ("a/memory.current", "94371840"),
                    ("a/b/memory.max", "52428800"),
                    ("a/b/memory.current", "10485760"),
                ],
                "0::/a/b\n",
                Some((100 * MIB, 90 * MIB)),
            ),
            (
                "v1 in a group of its own",
                &[
                    ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                    ("memory/memory.usage_in_bytes", "1\n"),
                    ("memory/gw/memory.limit_in_bytes", "268435456\n"),
                    ("memory/gw/memory.usage_in_bytes", "10485760\n"),
                    ("memory/gw/memory.stat", "cache 5\ntotal_inactive_file 1048576\n"),
                ],
                "4:memory:/gw\n3:cpu:/\n0::/\n",
                Some((256 * MIB, 9 * MIB)),
            ),
            (
                "v1, the path of the host",
                &[
                    ("memory/memory.limit_in_bytes", "104857600"),
                    ("memory/memory.usage_in_bytes", "2097152"),
                ],
                "4:memory:/docker/abc\n",
                Some((100 * MIB, 2 * MIB)),
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
            let groups = MemoryGroups::at(mount.path(), &own);
            let found = groups.fullest().map(|group| (group.limit, group.used));
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn this_process() {
        let resident = resident_bytes().expect("/proc is there");
        assert!(resident > MIB, "{resident}");
        // Whatever the machine says, it can be read.
        let groups = MemoryGroups::own();
        assert_eq!(groups.limit().is_some(), groups.fullest().is_some());
    }
}
