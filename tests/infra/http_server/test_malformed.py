"""What is not plainly one request is refused, and never becomes two."""

import pytest

from tests.infra.http_server.corpus import CASES
from tests.infra.http_server.running import exchange


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_socket_answers_as_expected_and_runs_nothing_hidden(server, case):
    found = exchange(server.path, case.data)
    assert tuple(answer.status for answer in found) == case.statuses
    for answer in found:
        assert answer.whole
        if answer.status != 200:
            assert answer.headers["connection"] == "close"
            assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert server.calls(case.name)["hidden"] == 0


def test_there_are_more_than_a_hundred_cases_and_no_name_twice():
    assert len({case.name for case in CASES}) == len(CASES) > 100
