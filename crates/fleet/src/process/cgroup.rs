//! Memory cgroups (version 2), where this user has been given a part of the tree.
//!
//! Nothing outside a delegated part is ever touched, not even by root, who could: a container manager or
//! systemd owns the rest. Delegated means that a directory between the mount and our own group belongs to
//! us (an ordinary user's systemd user manager does that) or is marked by systemd (`Delegate=yes`). New
//! groups go beside our own, below the nearest such ancestor that hands the memory controller down;
//! our own group cannot hold them, since version 2 wants processes in leaves only.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, getxattr};
use rustix::process::geteuid;

/// Where groups can be made.
#[derive(Debug, Clone)]
pub(crate) struct MemoryGroups {
    parent: PathBuf,
    prefix: String,
}

/// The group of one instance's process; removed when dropped (by then it is empty).
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    directory: PathBuf,
}

// === impl MemoryGroups ===

impl MemoryGroups {
    /// Looks for a place; `None` when nobody has given us one.
    pub(crate) fn find(fleet: &str) -> Option<Self> {
        let (mount, own) = own_group()?;
        let uid = geteuid().as_raw();
        let parent = delegated_parent(&mount, &own, uid)?;
        Some(Self { parent, prefix: prefix(fleet) })
    }

    /// Makes a group whose processes may together use `limit_bytes`.
    pub(crate) fn create(&self, instance: &str, limit_bytes: u64) -> io::Result<MemoryGroup> {
        let group = MemoryGroup { directory: self.parent.join(format!("{}{instance}", self.prefix)) };
        match fs::create_dir(&group.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::write(group.directory.join("memory.max"), limit_bytes.to_string())?;
        // Without these two the limit still holds, less neatly: pages may go to swap first, and the kernel
        // may kill one process of the instance and leave the others.
        let _ = fs::write(group.directory.join("memory.swap.max"), "0");
        let _ = fs::write(group.directory.join("memory.oom.group"), "1");
        Ok(group)
    }

    /// Removes the empty groups that a killed plimsoll could not remove.
    pub(crate) fn remove_leftovers(&self, fleet: &str) {
        let prefix = prefix(fleet);
        for entry in fs::read_dir(&self.parent).into_iter().flatten().filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

fn prefix(fleet: &str) -> String {
    format!("plimsoll-{fleet}-")
}

// === impl MemoryGroup ===

impl MemoryGroup {
    /// Moves a process into the group; its later children follow.
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }

    /// Has the kernel killed something in here because the limit was reached?
    pub(crate) fn has_killed(&self) -> bool {
        self.value("memory.events", "oom_kill").is_some_and(|kills| kills > 0)
    }

    /// Memory that cannot simply be given back: current use without inactive file pages.
    pub(crate) fn used_bytes(&self) -> Option<u64> {
        let current: u64 =
            fs::read_to_string(self.directory.join("memory.current")).ok()?.trim().parse().ok()?;
        Some(current.saturating_sub(self.value("memory.stat", "inactive_file").unwrap_or(0)))
    }

    fn value(&self, file: &str, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.directory.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Fails while something is alive in it; then the next start removes it.
        let _ = fs::remove_dir(&self.directory);
    }
}

/// Mount point of the version 2 tree and the directory of our own group in it.
fn own_group() -> Option<(PathBuf, PathBuf)> {
    let own = procfs::process::Process::myself().ok()?;
    let mount = own.mountinfo().ok()?.0.into_iter().find(|mount| mount.fs_type == "cgroup2")?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // With a bind mount only the part below its root is visible.
    let path = Path::new(path).strip_prefix(&mount.root).ok()?;
    let group = mount.mount_point.join(path);
    Some((mount.mount_point, group))
}

/// The nearest ancestor of `own` (below `mount`) that is ours to use and hands the memory controller down.
fn delegated_parent(mount: &Path, own: &Path, uid: u32) -> Option<PathBuf> {
    let ancestors =
        own.ancestors().skip(1).take_while(|directory| directory.starts_with(mount) && *directory != mount);
    ancestors
        .filter(|directory| is_ours(mount, directory, uid))
        .find(|directory| {
            let controllers =
                fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap_or_default();
            controllers.split_whitespace().any(|controller| controller == "memory")
                && access(*directory, Access::WRITE_OK).is_ok()
                && access(directory.join("cgroup.procs"), Access::WRITE_OK).is_ok()
        })
        .map(Path::to_owned)
}

fn is_ours(mount: &Path, directory: &Path, uid: u32) -> bool {
    let owned = uid != 0 && fs::metadata(directory).is_ok_and(|metadata| metadata.uid() == uid);
    owned
        || directory.ancestors().take_while(|ancestor| *ancestor != mount).any(|ancestor| {
            ["user.delegate", "trusted.delegate"].iter().any(|name| {
                let mut value = [0u8; 2];
                matches!(getxattr(ancestor, *name, &mut value), Ok(1)) && value[0] == b'1'
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory tree like that of a systemd user manager. Real files, not a real kernel tree: what is
    /// tested is where we would go, not what the kernel does there.
    fn tree() -> (tempfile::TempDir, PathBuf, u32) {
        let root = tempfile::tempdir().expect("a directory");
        let own = root.path().join("user.slice/app.slice/terminal.scope");
        fs::create_dir_all(&own).expect("created");
        let app = root.path().join("user.slice/app.slice");
        fs::write(app.join("cgroup.subtree_control"), "cpu memory pids\n").expect("written");
        fs::write(app.join("cgroup.procs"), "").expect("written");
        let uid = fs::metadata(root.path()).expect("metadata").uid();
        (root, own, uid)
    }

    #[test]
    fn groups_go_beside_our_own_when_an_ordinary_user_owns_the_place() {
        let (root, own, owner) = tree();
        let found = delegated_parent(root.path(), &own, owner);
        // Root owns everything everywhere: that alone gives no right to it.
        let expected = (owner != 0).then(|| root.path().join("user.slice/app.slice"));
        assert_eq!(found, expected);
        assert_eq!(delegated_parent(root.path(), &own, owner + 1), None, "somebody else's");
    }

    #[test]
    fn limit_is_written_before_a_process_is_added_and_kills_are_seen() {
        let (root, _, _) = tree();
        let groups = MemoryGroups { parent: root.path().to_owned(), prefix: prefix("f1") };
        let group = groups.create("api-1", 1 << 20).expect("created");
        let directory = root.path().join("plimsoll-f1-api-1");
        assert_eq!(fs::read_to_string(directory.join("memory.max")).expect("read"), "1048576");
        group.add(42).expect("added");
        assert_eq!(fs::read_to_string(directory.join("cgroup.procs")).expect("read"), "42");
        assert!(!group.has_killed());
        fs::write(directory.join("memory.events"), "low 0\noom 1\noom_kill 2\n").expect("written");
        assert!(group.has_killed());
        fs::write(directory.join("memory.current"), "1000\n").expect("written");
        fs::write(directory.join("memory.stat"), "anon 5\ninactive_file 400\n").expect("written");
        assert_eq!(group.used_bytes(), Some(600));
    }
}
