"""PostgreSQL restarts and full disks, on servers and file systems made for the test, so that nothing else on the machine is
affected."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from tests.engine.faults.clusters import cluster, fill, small_disk
from tests.engine.faults.conftest import Parts
from tests.engine.faults.rig import Rig
from tests.engine.patience import until

End = Callable[[Rig], None]

AWAY = 5.0
"""Duration of an outage, in seconds."""


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_postgresql_is_restarted(parts: Parts, recovered: End, how: str) -> None:
    """fast: as an administrator restarts it. immediate: as if it were killed; it recovers from its log."""
    if parts.database is None:
        pytest.skip("SQLite has no server")
    with cluster(parts.folder / "server") as server, parts.rig(more={"LOCKSTEP_DATABASE_URL": server.url}) as rig:
        rig.calm()
        rig.more()
        rig.storm.hub.store.close()
        server.stop(how)
        rig.vendors.jira.people_comment(rig.storm.told[0].remote["jira"], "while nothing can be kept")
        rig.storm.told[0].edits.append(("text", "while nothing can be kept"))
        until(lambda: any(status != 202 for status in rig.postman.refused), 10)
        threading.Event().wait(AWAY)
        server.start()
        recovered(rig)


def test_a_disk_is_full_while_webhooks_come(parts: Parts, recovered: End) -> None:
    """With SQLite the disk holds all of the hub's data, the embedded Redis' file too; else the database server's folder."""
    place = parts.folder / ("server" if parts.database else "data")
    with contextlib.ExitStack() as stack:
        stack.enter_context(small_disk(place, 200 if parts.database else 48))
        server = stack.enter_context(cluster(place)) if parts.database else None
        more = {"LOCKSTEP_DATABASE_URL": server.url} if server else {}
        rig = stack.enter_context(parts.rig(more=more))
        rig.calm()
        ballast = fill(place)
        rig.more_outside()
        until(lambda: len(rig.postman.refused) > 3, 60)
        threading.Event().wait(AWAY)
        ballast.unlink()
        if server and not server.running():  # a server that cannot write its log stops by itself
            server.start()
        recovered(rig)
