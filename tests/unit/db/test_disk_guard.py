"""The guard before a full disk: the bound, how often it looks, and what it does where it cannot see."""

from __future__ import annotations

from pathlib import Path

import pytest

from cynic.base.errors import UnavailableError
from cynic.base.settings import BadSettingError, load
from cynic.db.datadir import DiskFullError
from cynic.db.disk_guard import DiskGuard

MIB = 1 << 20


class Disk:
    """A disk and a clock in the test's hand."""

    def __init__(self, free: int | None) -> None:
        self.free = free
        self.now = 100.0
        self.looks = 0

    def measure(self, _: Path) -> int:
        self.looks += 1
        if self.free is None:
            raise PermissionError
        return self.free

    def guard(self, least: int, folder: Path | None = Path("/data")) -> DiskGuard:
        return DiskGuard(folder, least, measure=self.measure, monotonic=lambda: self.now)


def test_exactly_the_least_is_enough_and_a_byte_less_is_not() -> None:
    Disk(512 * MIB).guard(512 * MIB).check()
    with pytest.raises(DiskFullError, match="less than 512 MiB") as caught:
        Disk(512 * MIB - 1).guard(512 * MIB).check()
    assert isinstance(caught.value, UnavailableError)
    assert (caught.value.code, caught.value.http_status) == ("disk-full", 503)


def test_it_looks_once_a_second_and_sees_room_again() -> None:
    disk = Disk(1)
    guard = disk.guard(2)
    for _ in range(100):
        assert guard.full
    assert disk.looks == 1
    disk.free = 2
    disk.now += 0.999
    assert guard.full
    disk.now += 0.001
    assert not guard.full
    assert disk.looks == 2


def test_what_cannot_be_seen_is_not_refused() -> None:
    assert Disk(None).guard(10**18).free_bytes is None
    Disk(None).guard(10**18).check()
    elsewhere = Disk(0)
    elsewhere.guard(10**18, None).check()
    assert elsewhere.looks == 0


def test_zero_never_refuses() -> None:
    Disk(0).guard(0).check()


def test_the_real_disk_is_seen(tmp_path: Path) -> None:
    assert (DiskGuard(tmp_path, 1).free_bytes or 0) > 0
    assert DiskGuard(tmp_path, 1 << 62).full


@pytest.mark.parametrize(("given", "least"), [("", 512 * MIB), ("0", 0), ("2048", 2048 * MIB)])
def test_the_setting(given: str, least: int) -> None:
    assert load({"CYNIC_DISK_FREE_MIN_MB": given, "CYNIC_HOME": "/x"}).disk_free_bytes_min == least


@pytest.mark.parametrize("given", ["-1", "1.5", "many", "٣", "9" * 30])
def test_a_setting_that_means_nothing_is_refused(given: str) -> None:
    with pytest.raises(BadSettingError, match="CYNIC_DISK_FREE_MIN_MB"):
        load({"CYNIC_DISK_FREE_MIN_MB": given, "CYNIC_HOME": "/x"})
