"""The disks of this machine: what file system a path is on, and how much may still be written."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import msgspec

NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "ceph", "gpfs", "beegfs", "afs", "glusterfs")
)
"""File systems of other machines; besides, whatever begins with `fuse.`."""
IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs"))
LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay"))
"""File systems of local disks."""
_SYSTEM = ("/boot", "/dev", "/etc", "/proc", "/run", "/snap", "/sys", "/usr")
_MOUNTS = Path("/proc/self/mountinfo")
_GET_USER_QUOTA = 0x800007 << 8
_QUOTA_BLOCK_BYTES = 1024


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is written."""

    path: str
    mount: str
    """Where its file system is mounted."""
    filesystem: str
    """Its type, e.g. `ext4`; empty where the kernel does not tell."""
    total_bytes: int
    free_bytes: int
    """For this user, reserved blocks left out."""
    quota_bytes: int | None = None
    """What this user's quota leaves; None where there is none or it cannot be asked."""

    @property
    def room_bytes(self) -> int:
        """What can be written here."""
        return (
            self.free_bytes if self.quota_bytes is None else min(self.free_bytes, self.quota_bytes)
        )

    @property
    def is_network(self) -> bool:
        """Whether the bytes lie on another machine."""
        return self.filesystem in NETWORK or self.filesystem.startswith("fuse.")


def place_of(path: Path) -> Place:
    """Return where a path lies that need not exist yet.

    Raises:
        OSError: If not even one of its parents can be looked at.
    """
    there = _existing(path)
    facts = os.statvfs(there)
    mount, filesystem, source = _mount_of(there)
    return Place(
        path=str(path),
        mount=mount,
        filesystem=filesystem,
        total_bytes=facts.f_blocks * facts.f_frsize,
        free_bytes=facts.f_bavail * facts.f_frsize,
        quota_bytes=_quota_bytes(source),
    )


def roomier_place(needed_bytes: int, than: Place) -> Place | None:
    """Return the local disk with most room that can hold so much and is writable by this user.

    Args:
        needed_bytes: What is to be written.
        than: The place that cannot hold it.
    """
    found: list[Place] = []
    for mount, filesystem, _ in _mounts():
        if filesystem not in LOCAL or mount == than.mount or mount.startswith(_SYSTEM):
            continue
        folder = _own_folder(Path(mount))
        try:
            place = place_of(folder) if folder is not None else None
        except OSError:
            continue
        if place is not None and place.room_bytes >= needed_bytes:
            found.append(place)
    return max(found, key=lambda place: place.room_bytes, default=None)


def _own_folder(mount: Path) -> Path | None:
    """Return the folder of a disk in which this user may make one."""
    home = Path.home()
    for folder in (home, mount / home.name, mount):
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            if _mount_of(folder)[0] == str(mount):
                return folder / "moai-tui" / "runs"
    return None


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.resolve()


def _mount_of(path: Path) -> tuple[str, str, str]:
    best = ("/", "", "")
    for mount in _mounts():
        inside = path == Path(mount[0]) or Path(mount[0]) in path.parents
        if inside and len(mount[0]) >= len(best[0]):
            best = mount
    return best


def _mounts() -> list[tuple[str, str, str]]:
    """Return mount point, type and source of every file system, in the order of mounting."""
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, mark, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if mark and len(fields) >= 5 and len(rest) >= 2:
            found.append((_unescaped(fields[4]), rest[0], _unescaped(rest[1])))
    return found


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


class _Quota(ctypes.Structure):
    """The kernel's `dqblk`."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in ("hard", "soft", "used")),
        *((name, ctypes.c_uint64) for name in ("inodes_hard", "inodes_soft", "inodes")),
        *((name, ctypes.c_uint64) for name in ("block_time", "inode_time")),
        ("valid", ctypes.c_uint32),
    ]


def _quota_bytes(source: str) -> int | None:
    """Return what the user's quota leaves on a block device; None where there is none."""
    if not source.startswith("/dev/"):
        return None
    quota = _Quota()
    try:
        call = ctypes.CDLL("libc.so.6").quotactl
        failed = call(_GET_USER_QUOTA, os.fsencode(source), os.getuid(), ctypes.byref(quota))
    except (OSError, AttributeError):
        return None
    if failed or not quota.hard:
        return None
    return max(0, int(quota.hard) * _QUOTA_BLOCK_BYTES - int(quota.used))
