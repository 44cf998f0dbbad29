"""Group commit: who shares a commit, who waits for whom, and what a bad item may spoil."""

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event
from prometheus_client import REGISTRY
from psycopg.errors import CheckViolation, DeadlockDetected

from rizzpay.core.errors import Unavailable
from rizzpay.infra import metrics
from rizzpay.infra.database import CommitUnknown, Severed
from rizzpay.infra.group_commit import FOLLOWERS, GroupCommit


class Table:
    """Where groups are written: all or nothing, one transaction at a time."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.tried: list[list[int]] = []
        self.bad: set[int] = set()
        self.errors: list[Exception] = []  # raised by the next transactions, in order
        self.gate = Event()
        self.gate.set()

    def write(self, items: list[int]) -> list[int | Exception]:
        self.tried.append(items)
        self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if self.bad & set(items):
            raise CheckViolation("a row is bad")
        self.rows.extend(items)
        return [LookupError("odd") if item < 0 else item * 10 for item in items]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def group(table) -> Iterator[GroupCommit[int, int]]:
    group: GroupCommit[int, int] = GroupCommit("test", table.write, 8)
    yield group
    table.gate.set()
    group.close()


def together(group, items):
    """Submit all at once; results or exceptions, in order."""
    greenlets = [gevent.spawn(group.submit, item) for item in items]
    gevent.joinall(greenlets, timeout=10)
    return [g.value if g.successful() else g.exception for g in greenlets]


def test_a_lone_item_is_written_alone_and_at_once(group, table):
    assert group.submit(7) == 70
    assert table.tried == [[7]]


def test_what_comes_while_a_group_is_written_shares_the_next_one(group, table):
    table.gate.clear()
    first = gevent.spawn(group.submit, 1)
    gevent.sleep(0.01)
    rest = [gevent.spawn(group.submit, number) for number in range(2, 7)]
    gevent.sleep(0.01)
    table.gate.set()
    gevent.joinall([first, *rest], timeout=10)
    assert table.tried == [[1], [2, 3, 4, 5, 6]]
    assert [one.value for one in rest] == [20, 30, 40, 50, 60]


def test_a_group_has_no_more_than_most_and_order_is_kept(group, table):
    assert together(group, range(20)) == [number * 10 for number in range(20)]
    assert [len(tried) for tried in table.tried] == [8, 8, 4]
    assert table.rows == list(range(20))


def test_an_items_own_exception_is_raised_to_it_alone(group, table):
    results = together(group, [1, -2, 3])
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], LookupError)
    assert len(table.tried) == 1


@pytest.mark.parametrize("bad", [{3}, {0, 7}, {1, 2, 3}, set(range(8))])
def test_bad_items_are_halved_out_and_everybody_else_is_written_once(group, table, bad):
    table.bad = bad
    results = together(group, range(8))
    for number, result in enumerate(results):
        assert isinstance(result, CheckViolation) if number in bad else result == number * 10
    assert table.rows == [number for number in range(8) if number not in bad]
    assert len(table.tried) <= 1 + 6 * len(bad)


def test_a_set_that_gave_way_to_another_is_tried_again_as_it_is(group, table):
    table.errors = [DeadlockDetected(), DeadlockDetected()]
    assert together(group, [1, 2]) == [10, 20]
    assert table.tried == [[1, 2]] * 3


def test_a_set_that_always_has_to_give_way_ends(group, table):
    table.errors = [DeadlockDetected() for _ in range(20)]
    assert isinstance(together(group, [1])[0], DeadlockDetected)


def test_stale_connections_are_got_over_however_many_there_are(group, table):
    table.errors = [Severed("postgresql") for _ in range(20)]
    assert together(group, [1, 2]) == [10, 20]
    table.errors = [Severed("postgresql") for _ in range(100)]
    assert isinstance(together(group, [3])[0], Severed)


@pytest.mark.parametrize("error", [Unavailable("postgresql"), CommitUnknown("postgresql")])
def test_nothing_is_tried_again_when_it_may_have_happened_or_nobody_answers(group, table, error):
    table.errors = [error]
    assert together(group, [1, 2, 3]) == [error, error, error]
    assert len(table.tried) == 1
    assert group.submit(4) == 40  # and the group goes on


def test_somebody_who_goes_away_changes_nothing_for_the_others(group, table):
    table.gate.clear()
    writing = gevent.spawn(group.submit, 0)
    gevent.sleep(0.01)
    waiting = [gevent.spawn(group.submit, number) for number in range(1, 9)]
    gevent.sleep(0.01)
    gevent.killall([writing, *waiting[:4]])
    table.gate.set()
    gevent.joinall(waiting, timeout=10)
    assert [one.value for one in waiting[4:]] == [50, 60, 70, 80]
    assert sorted(table.rows) == list(range(9))


def test_a_killed_waiter_is_not_woken_where_it_waits_next(group, table):
    """The wake-up may be on its way already when the waiter is killed and waits elsewhere."""
    woken_by = []

    def patient():
        try:
            group.submit(1)
        except gevent.GreenletExit:
            never = Event()
            woken_by.append(never.wait(0.05))

    table.gate.clear()
    waiter = gevent.spawn(patient)
    gevent.sleep(0.01)
    table.gate.set()
    waiter.kill(block=False)
    waiter.join(10)
    assert woken_by == [False]


def test_several_items_of_one_caller_come_back_in_order_and_are_never_raised(group, table):
    results = group.submit_all([1, -1, 2])
    assert (results[0], results[2]) == (10, 20)
    assert isinstance(results[1], LookupError)
    assert table.tried == [[1, -1, 2]]
    assert group.submit_all([]) == []


def test_items_of_one_caller_stay_together_however_many_follow(table):
    group: GroupCommit[int, int] = GroupCommit(
        "test", table.write, 3 * FOLLOWERS, may_follow=lambda _: True
    )
    many = list(range(2 * FOLLOWERS + 1))
    assert group.submit_all(many) == [item * 10 for item in many]
    assert table.tried == [many]
    group.close()


def test_a_wrong_number_of_results_is_told_to_everybody():
    group: GroupCommit[int, int] = GroupCommit("test", lambda items: items[:1], 8)
    results = together(group, [1, 2])
    group.close()
    assert [type(result) for result in results] == [RuntimeError, RuntimeError]


def test_closing_writes_what_waits_and_takes_nothing_more(table):
    group: GroupCommit[int, int] = GroupCommit("test", table.write, 2)
    waiting = [gevent.spawn(group.submit, number) for number in range(5)]
    gevent.sleep(0)
    group.close()
    gevent.joinall(waiting, timeout=10)
    assert [one.value for one in waiting] == [0, 10, 20, 30, 40]
    with pytest.raises(Unavailable):
        group.submit(6)


def test_without_grouping_everybody_has_a_transaction_of_his_own_at_the_same_time(table):
    group: GroupCommit[int, int] = GroupCommit("test", table.write, 8, together=False)
    table.gate.clear()
    waiting = [gevent.spawn(group.submit, number) for number in range(3)]
    gevent.sleep(0.01)
    assert table.tried == [[0], [1], [2]]
    table.gate.set()
    gevent.joinall(waiting, timeout=10)
    assert [one.value for one in waiting] == [0, 10, 20]
    group.close()


@pytest.fixture
def following(table) -> Iterator[GroupCommit[int, int]]:
    """A group whose positive items may be written behind others."""
    group: GroupCommit[int, int] = GroupCommit(
        "test", table.write, 2 * FOLLOWERS, may_follow=lambda item: item > 0
    )
    yield group
    table.gate.set()
    group.close()


def held(group, *sets):
    """Submit sets of items, each after the one before has set out or is waiting."""
    greenlets = []
    for items in sets:
        greenlets += [gevent.spawn(group.submit, item) for item in items]
        gevent.sleep(0.01)
    return greenlets


def test_a_good_part_of_a_group_follows_while_the_one_ahead_is_written(following, table):
    table.gate.clear()
    few, many = range(100, 100 + FOLLOWERS - 1), range(200, 200 + FOLLOWERS)
    greenlets = held(following, [1], few)
    assert table.tried == [[1]]
    greenlets += held(following, many, many)  # one group follows, no third one
    assert [len(tried) for tried in table.tried] == [1, FOLLOWERS]
    table.gate.set()
    gevent.joinall(greenlets, timeout=10)
    assert all(greenlet.value for greenlet in greenlets)
    assert table.rows == [1, *few, *many, *many]


def test_nothing_follows_where_one_item_may_not(following, table):
    table.gate.clear()
    greenlets = held(following, [-1], range(1, FOLLOWERS + 1))  # the one ahead
    assert [len(tried) for tried in table.tried] == [1]
    table.gate.set()
    gevent.joinall(greenlets, timeout=10)
    table.tried.clear()
    table.gate.clear()
    greenlets = held(following, [1], [2, -2, *range(3, FOLLOWERS + 3)])  # one that waits
    assert table.tried == [[1]]
    table.gate.set()
    gevent.joinall(greenlets, timeout=10)
    assert len(table.tried) == 2


def test_a_full_group_sets_out_before_the_rest_of_what_is_ready_is_seen_to(following, table):
    seen = []

    def submit(item):
        seen.append((item, len(table.tried)))
        return following.submit(item)

    greenlets = [gevent.spawn(submit, item) for item in range(1, 2 * FOLLOWERS)]
    gevent.joinall(greenlets, timeout=10)
    assert seen[FOLLOWERS - 1] == (FOLLOWERS, 0)
    assert seen[FOLLOWERS] == (FOLLOWERS + 1, 1)
    assert [greenlet.value for greenlet in greenlets] == [n * 10 for n in range(1, 2 * FOLLOWERS)]


def test_whoever_is_killed_while_its_group_sets_out_is_not_woken_where_it_waits_next(
    following, table
):
    table.gate.clear()
    rest = [gevent.spawn(following.submit, item) for item in range(2, FOLLOWERS + 1)]
    woken = []

    def last():
        try:
            following.submit(1)
        except gevent.GreenletExit:
            woken.append(gevent.getcurrent().parent.switch())  # waits, and nobody has to wake it

    killed = gevent.spawn(last)
    gevent.spawn(killed.throw, gevent.GreenletExit)  # before it is resumed
    gevent.sleep(0.05)
    assert table.tried
    assert woken == []
    table.gate.set()
    gevent.joinall(rest, timeout=10)
    assert [one.value for one in rest] == [item * 10 for item in range(2, FOLLOWERS + 1)]


def test_sizes_and_waits_are_measured(table):
    group: GroupCommit[int, int] = GroupCommit("measured", table.write, 8)
    together(group, range(5))
    group.close()
    metrics.publish()
    seen = {
        name: REGISTRY.get_sample_value(f"rizzpay_group_commit_{name}", {"group": "measured"})
        for name in ("items_count", "items_sum", "wait_seconds_count")
    }
    assert seen == {"items_count": 1.0, "items_sum": 5.0, "wait_seconds_count": 1.0}
