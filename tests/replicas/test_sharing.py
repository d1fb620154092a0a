"""What replicas have in common: the cache, calls in flight, counts of callers, and the journal."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.replicas.cluster import (
    FORGET,
    LIST,
    RATE,
    SOURCE_RATE,
    SOURCES,
    Cluster,
    answer_of,
    headers,
)
from tests.replicas.vendor import Vendor
from tests.support.actions import ACTIONS, DELETE, RETRY
from tests.web.test_workers import PATIENCE, until

CALLERS = 40


def test_page_read_through_one_replica_is_served_by_all(cluster: Cluster, vendor: Vendor) -> None:
    with cluster.processes() as (reader, *others):
        logs = reader.logs()
        assert logs["sourceReports"][0]["cache"] == "MISS"
        assert len(logs["nodes"]) == 2
        calls = vendor.calls.total()
        for process in others:
            again = process.logs()
            assert again["sourceReports"][0]["cache"] == "HIT"
            assert again["nodes"] == logs["nodes"]
        assert vendor.calls.total() == calls


def test_invalidation_at_one_replica_is_seen_by_all_at_the_next_request(
    cluster: Cluster, vendor: Vendor
) -> None:
    with cluster.processes() as processes:
        for number, process in enumerate(processes):
            assert [each.attempts() for each in processes] == [[number + 1, 1]] * 4
            vendor.retries += 1
            assert [each.attempts() for each in processes] == [[number + 1, 1]] * 4
            assert process.data(FORGET)["invalidateCache"]["entries"] > 0


def test_actions_at_one_replica_are_seen_by_all_at_the_next_request(
    cluster: Cluster, vendor: Vendor
) -> None:
    with cluster.processes() as processes:
        first, second = (log["id"] for log in processes[0].logs()["nodes"])
        for number, process in enumerate(processes):
            assert [each.attempts() for each in processes] == [[number + 1, 1]] * 4
            assert process.data(RETRY, id=first)["retryWebhookLog"]["userErrors"] == []
        assert [each.attempts() for each in processes] == [[5, 1]] * 4
        assert processes[0].data(DELETE, id=second)["deleteWebhookLog"]["userErrors"] == []
        assert [each.attempts() for each in processes] == [[5]] * 4
        assert vendor.calls["PUT"] == 4


def test_equal_requests_to_all_replicas_at_once_make_one_call(
    cluster: Cluster, vendor: Vendor
) -> None:
    with cluster.processes() as processes, ThreadPoolExecutor(CALLERS + 4) as pool:
        vendor.open.clear()
        asked = [pool.submit(process.logs) for process in processes]
        asked += [pool.submit(_list_by_proxy, cluster) for _ in range(CALLERS)]
        until(lambda: vendor.in_flight)
        assert not any(future.done() for future in asked)
        vendor.open.set()
        answers = [future.result(PATIENCE) for future in asked]
    assert all(answer["nodes"] == answers[0]["nodes"] for answer in answers)
    assert set(vendor.lists.values()) == {1}, vendor.lists


def _list_by_proxy(cluster: Cluster, **variables: str) -> dict[str, object]:
    body = {"query": LIST, "variables": variables}
    url = f"{cluster.url}/graphql"
    response = httpx.post(url, json=body, headers=headers(), timeout=PATIENCE)
    logs: dict[str, object] = answer_of(response.status_code, response.text)["webhookLogs"]
    return logs


def test_requests_of_a_caller_are_counted_together(cluster: Cluster) -> None:
    """Otherwise the limit would grow with each process."""
    statuses: Counter[int] = Counter()
    began = time.monotonic()
    with cluster.processes() as processes:
        for number in range(2 * RATE):
            status, _ = processes[number % 4].send(SOURCES, address="192.0.2.1")
            statuses[status] += 1
        refilled = (time.monotonic() - began) * RATE / 60
        assert statuses.keys() == {200, 429}
        assert RATE <= statuses[200] <= RATE + refilled + 1
        assert processes[0].send(SOURCES, address="192.0.2.2")[0] == 200


def test_proxy_tells_the_address_of_the_caller(cluster: Cluster) -> None:
    """A caller can't have itself counted as another one."""
    # The gateway takes 127.0.0.1 for the proxy, as FORWARDED_ALLOW_IPS says.
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    body = {"query": SOURCES}
    with httpx.Client(transport=transport) as client:
        statuses = {
            client.post(f"{cluster.url}/graphql", json=body, headers=headers()).status_code
            for _ in range(2 * RATE)
        }
    assert statuses == {200, 429}


def test_calls_to_a_source_keep_to_its_rate_together(cluster: Cluster, vendor: Vendor) -> None:
    with cluster.processes() as processes, ThreadPoolExecutor(len(processes)) as pool:
        began = time.monotonic()
        asked = [
            pool.submit(process.logs, source="limited", event=f"rate {number}")
            for number, process in enumerate(processes)
        ]
        for each in asked:
            each.result(PATIENCE)
        allowed = SOURCE_RATE + (time.monotonic() - began) * SOURCE_RATE
    assert 2 * SOURCE_RATE < vendor.limited <= allowed + 1


def test_each_replica_has_the_concurrency_of_a_source_for_itself(
    cluster: Cluster, vendor: Vendor
) -> None:
    """Its workers share it, which the documentation says."""
    with cluster.processes() as processes, ThreadPoolExecutor(8) as pool:
        vendor.open.clear()
        asked = [
            pool.submit(process.logs, source="limited", event=f"{number}")
            for number, process in enumerate(processes)
        ]
        asked.append(pool.submit(_list_by_proxy, cluster, source="limited", event="one more"))
        until(lambda: vendor.in_flight == 2 * 2)
        vendor.open.set()
        for each in asked:
            each.result(PATIENCE)
    assert vendor.most_in_flight == 2 * 2


@pytest.mark.parametrize("other", [1, 2], ids=["another replica", "the same replica"])
def test_action_sent_to_several_processes_at_once_happens_once(
    cluster: Cluster, vendor: Vendor, other: int
) -> None:
    with cluster.processes() as processes, ThreadPoolExecutor(2) as pool:
        id = processes[0].logs()["nodes"][0]["id"]
        vendor.open.clear()
        asked = [
            pool.submit(process.data, RETRY, id=id, key=f"once, {other}")
            for process in (processes[0], processes[other])
        ]
        until(lambda: vendor.calls["PUT"])
        vendor.open.set()
        one, same = (future.result(PATIENCE) for future in asked)
        assert one == same
        assert one["retryWebhookLog"]["userErrors"] == []
        assert vendor.calls["PUT"] == 1
        for process in processes:
            (entry,) = [
                entry
                for entry in process.data(ACTIONS, first=5)["actions"]["nodes"]
                if entry["idempotencyKey"] == f"once, {other}"
            ]
            assert entry["outcome"] == "SUCCEEDED"
