"""What `rizzpay-capacity` says on purpose, and the exit status that goes with it.

Exit status of every verb: 0 done or passed, 1 a check did not pass or findings were made, 2 wrong
use or an unfit set-up, 3 a part (PostgreSQL, the service) does not answer. A bug is any other
exception and shows its trace.

    CapacityError          one sentence for the operator
    ├── WrongUse      2    the options or the files given make no sense
    ├── Unfit         2    the box or the set-up may not be measured like this (not durable, …)
    └── Unreachable   3    a part does not answer
"""


class CapacityError(Exception):
    """An expected end: the text is one sentence that says what to do."""

    exit_code = 1


class WrongUse(CapacityError):
    """Options or input files that make no sense."""

    exit_code = 2


class Unfit(CapacityError):
    """A set-up of which a measurement or a plan would be untrue."""

    exit_code = 2


class Unreachable(CapacityError):
    """A part that has to answer does not."""

    exit_code = 3
