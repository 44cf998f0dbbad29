"""Schemathesis makes up requests for every route, right and wrong ones, and judges the answers."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from rizzpay.api.routes import ROUTES
from rizzpay.api.schemas import NoQuery

pytestmark = pytest.mark.slow

# A schema cannot say everything: 100.0 is an integer to JSON Schema, a cursor has to be one of
# ours, a capture has to find an authorization. Such refusals are typed and documented all the same.
ALSO_FINE = ["2xx", "401", "402", "403", "404", "409", "422", "502", "504"]
# There is nothing that could be wrong with a request to these.
TAKES_SOMETHING = [
    route for route in ROUTES if route.body or route.query is not NoQuery or "{" in route.path
]


@pytest.fixture(scope="session")
def api(application):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", application)
    schema.config.generation.update(with_security_parameters=False)
    schema.config.checks.positive_data_acceptance.expected_statuses = ALSO_FINE
    # The acquirer answers some amounts late or never: outcomes, and documented ones.
    schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "4xx", "502", "504"]
    return schema


def judge(api, client, route, mode):
    operation = api[route.path][route.method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(case):
        case.call_and_validate(headers=client._headers)

    holds()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_a_right_request_is_answered_as_documented(api, client, route):
    judge(api, client, route, GenerationMode.POSITIVE)


@pytest.mark.parametrize("route", TAKES_SOMETHING, ids=lambda route: route.operation)
def test_a_wrong_request_is_refused_as_documented(api, client, route):
    judge(api, client, route, GenerationMode.NEGATIVE)
