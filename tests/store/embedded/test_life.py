"""The server lives exactly as long as somebody uses it, however they end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest_embedded import alive, answers, server_pid, supervisor_pid, wait_until

from cynic.db.datadir import locate
from cynic.db.embedded import EmbeddedServer, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest_embedded import User


def test_two_processes_share_one_server_and_the_last_one_stops_it(
    ready_home: Path, new_user: Callable[[Path], User]
) -> None:
    one, other = new_user(ready_home), new_user(ready_home)
    assert one.ready() == other.ready()
    pid = server_pid(ready_home)
    one.leave()
    assert answers(other.conninfo)
    other.leave()
    assert not alive(pid)
    assert status(ready_home) == "stopped"


def test_eight_processes_at_once_on_an_empty_folder_get_one_server(
    home: Path, new_user: Callable[[Path], User]
) -> None:
    users = [new_user(home) for _ in range(8)]
    assert len({user.ready() for user in users}) == 1
    with psycopg.connect(users[0].conninfo) as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("cynic",)
    for user in users:
        user.leave()
    assert status(home) == "stopped"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_goes_when_its_only_user_is_killed(
    ready_home: Path, new_user: Callable[[Path], User], number: signal.Signals
) -> None:
    user = new_user(ready_home)
    user.ready()
    pid = server_pid(ready_home)
    user.process.send_signal(number)
    user.process.wait()
    wait_until(lambda: not alive(pid), "the server outlived its user")


def test_the_server_stays_when_the_process_that_started_it_is_killed_and_another_uses_it(
    ready_home: Path, new_user: Callable[[Path], User]
) -> None:
    first = new_user(ready_home)
    first.ready()
    second = new_user(ready_home)
    second.ready()
    first.kill()
    assert answers(second.conninfo)
    second.leave()
    assert status(ready_home) == "stopped"


def test_the_server_goes_with_its_supervisor(
    ready_home: Path, new_user: Callable[[Path], User]
) -> None:
    user = new_user(ready_home)
    user.ready()
    pid = server_pid(ready_home)
    os.kill(supervisor_pid(ready_home), signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the server outlived its supervisor")
    user.kill()
    with EmbeddedServer.start(ready_home) as server:
        assert answers(server.conninfo)


def test_a_server_that_dies_under_its_users_is_started_again(ready_home: Path) -> None:
    with EmbeddedServer.start(ready_home) as server:
        pid = server_pid(ready_home)
        os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: server.pid not in {None, pid} and answers(server.conninfo), "no new server"
        )
        assert server_pid(ready_home) != pid


def test_kill_9_of_everything_in_a_loop_loses_nothing_that_was_committed(
    ready_home: Path, new_user: Callable[[Path], User]
) -> None:
    for number in range(5):
        user = new_user(ready_home)
        with psycopg.connect(user.ready(), autocommit=True) as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS kept (n integer PRIMARY KEY)")
            conn.execute("INSERT INTO kept VALUES (%s)", [number])
            assert conn.execute("SELECT array_agg(n ORDER BY n) FROM kept").fetchone() == (
                list(range(number + 1)),
            )
            victims = [user.process.pid, supervisor_pid(ready_home), server_pid(ready_home)]
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
        user.process.wait()
        wait_until(
            lambda victims=victims: not any(map(alive, victims)), "somebody survived kill -9"
        )


def test_start_waits_for_a_server_on_its_way_down(
    ready_home: Path, new_user: Callable[[Path], User]
) -> None:
    user = new_user(ready_home)
    user.ready()
    user.kill()
    with EmbeddedServer.start(ready_home) as server:
        assert answers(server.conninfo)


def test_stop_is_idempotent_and_a_stopped_server_starts_again(ready_home: Path) -> None:
    server = EmbeddedServer.start(ready_home)
    server.stop()
    server.stop()
    assert status(ready_home) == "stopped"
    with EmbeddedServer.start(ready_home) as again:
        assert answers(again.conninfo)


def test_status_of_a_home_without_data(home: Path) -> None:
    assert status(home).startswith("absent")
    assert not locate(home).data_dir.exists()
