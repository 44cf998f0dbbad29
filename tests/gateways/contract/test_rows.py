"""The catalog and the suite agree: every row has a server, and can do what it says."""

import pytest

from rizzpay.gateways import catalog
from rizzpay.gateways.declines import REASONS
from tests.gateways.contract.row import KINDS, row_of


def test_a_row_without_a_conformance_server_fails(tmp_path):
    with pytest.raises(ModuleNotFoundError):
        row_of("a_row_that_nobody_made", tmp_path, "")


def test_the_suite_runs_over_the_whole_catalog():
    assert set(catalog.MAKERS) == set(catalog.CAPABILITIES) == set(KINDS)


def test_the_bench_is_of_its_row(bench):
    assert type(bench.plain()).__module__ == f"rizzpay.gateways.{bench.row.kind}.connector"
    assert bench.row.declines
    assert {reason for _, reason in bench.row.declines} <= set(REASONS)


def test_no_secret_is_in_the_text_of_a_connector(bench):
    with open(bench.row.secret_file) as file:  # noqa: PTH123
        secret = file.read()
    assert secret not in repr(vars(bench.plain()))
