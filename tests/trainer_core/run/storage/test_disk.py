"""Paths lead to file systems, and room is what may really be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.run.storage import disk
from trainer_core.run.storage.disk import Place, place_of, roomier_place

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
24 22 8:2 / /scratch\\040disk rw - xfs /dev/sdb1 rw
25 22 0:40 / /home rw - nfs4 server:/home rw
26 22 0:41 / /dev/shm rw - tmpfs tmpfs rw
27 24 0:42 / /scratch\\040disk/deep rw - fuse.sshfs a:/ rw
broken line
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a local root, a scratch disk and a home over the network."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    monkeypatch.setattr(disk, "_MOUNTS", table)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("path", "mount", "filesystem"),
    [
        ("/var/lib", "/", "ext4"),
        ("/scratch disk/runs", "/scratch disk", "xfs"),
        ("/scratch disk/deep/x", "/scratch disk/deep", "fuse.sshfs"),
        ("/scratch disks", "/", "ext4"),
        ("/home/ann", "/home", "nfs4"),
    ],
)
def test_the_nearest_mount_above_a_path_counts(path: str, mount: str, filesystem: str) -> None:
    assert disk._mount_of(Path(path))[:2] == (mount, filesystem)


def test_a_folder_that_is_not_there_yet_has_its_parents_room(tmp_path: Path) -> None:
    place = place_of(tmp_path / "not" / "yet")
    facts = os.statvfs(tmp_path)
    assert place.total_bytes == facts.f_blocks * facts.f_frsize
    assert 0 <= place.free_bytes <= place.total_bytes
    assert place.path == str(tmp_path / "not" / "yet")


def a_place(filesystem: str = "ext4", free: int = 100, quota: int | None = None) -> Place:
    return Place(
        path="/x/runs", mount="/x", filesystem=filesystem, total_bytes=1000, free_bytes=free,
        quota_bytes=quota,
    )  # fmt: skip


def test_a_quota_bounds_the_room() -> None:
    assert a_place().room_bytes == 100
    assert a_place(quota=30).room_bytes == 30
    assert a_place(quota=300).room_bytes == 100
    assert [a_place(kind).is_network for kind in ("ext4", "nfs4", "fuse.sshfs")] == [0, 1, 1]


@pytest.mark.usefixtures("machine")
def test_only_local_disks_of_ones_own_are_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rooms = {"/": 50, "/scratch disk": 500}
    monkeypatch.setattr(disk, "_own_folder", lambda mount: tmp_path / str(mount).strip("/"))

    def placed(path: Path) -> Place:
        mount = "/scratch disk" if "scratch" in path.name else "/"
        return Place(path=str(path), mount=mount, filesystem="xfs", total_bytes=1000,
                     free_bytes=rooms[mount])  # fmt: skip

    monkeypatch.setattr(disk, "place_of", placed)
    found = roomier_place(100, than=a_place())
    assert found is not None
    assert found.mount == "/scratch disk"
    assert roomier_place(1000, than=a_place()) is None
    taken = Place(path="", mount="/scratch disk", filesystem="xfs", total_bytes=0, free_bytes=0)
    assert roomier_place(100, than=taken) is None


def test_a_quota_that_cannot_be_asked_is_unknown() -> None:
    assert disk._quota_bytes("/dev/null") is None
    assert disk._quota_bytes("server:/home") is None
