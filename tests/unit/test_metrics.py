"""Figures are complete across processes, and a process that is gone does not haunt them."""

import os
import subprocess
import sys

WRITE = """
from datetime import UTC, datetime, timedelta
from rizzpay.infra import metrics
from rizzpay.infra.database import PoolStats
from rizzpay.infra.jobs import Backlog
now = datetime(2026, 11, 21, tzinfo=UTC)
metrics.REFUSED.labels("not_found").inc(2)
metrics.GROUP_ITEMS.labels("jobs").observe(3)
metrics.STALL_MAX.set(0.5)
metrics.pool("rizzpay_app", PoolStats(size=8, available=7, waiting=0))
metrics.backlog([Backlog("webhook.deliver", 3, now - timedelta(seconds=60))], now)
"""
READ = """
import sys
from pathlib import Path
from rizzpay.infra import metrics
sys.stdout.buffer.write(metrics.render(Path(sys.argv[1])))
"""


def run(directory, script):
    return subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_two_processes_are_added_up_and_their_pools_end_with_them(tmp_path):
    for _ in range(2):
        run(tmp_path, WRITE)
    text = run(tmp_path, READ)
    assert 'rizzpay_refused_total{code="not_found"} 4.0' in text
    assert "rizzpay_hub_stall_seconds_max 0.5" in text
    assert 'rizzpay_jobs_due{kind="webhook.deliver"} 3.0' in text
    assert 'rizzpay_jobs_oldest_seconds{kind="webhook.deliver"} 60.0' in text
    assert 'rizzpay_database_pool{role="rizzpay_app"' not in text


def test_files_do_not_become_more_with_the_processes_that_ended(tmp_path):
    counts = []
    for round_ in range(1, 4):
        newer = WRITE.replace('"webhook.deliver", 3', f'"webhook.deliver", {round_}')
        for script in (WRITE, newer):
            run(tmp_path, script)
        text = run(tmp_path, READ)
        counts.append(len(list(tmp_path.iterdir())))
        assert f'rizzpay_refused_total{{code="not_found"}} {4.0 * round_}' in text
        assert f'rizzpay_group_commit_items_count{{group="jobs"}} {2.0 * round_}' in text
        assert f'rizzpay_group_commit_items_sum{{group="jobs"}} {6.0 * round_}' in text
        assert f'rizzpay_jobs_due{{kind="webhook.deliver"}} {float(round_)}' in text
        assert "rizzpay_hub_stall_seconds_max 0.5" in text
    assert counts[0] == counts[1] == counts[2]


def test_what_lives_keeps_its_files(tmp_path):
    script = WRITE + "metrics.publish()\nprint(flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as living:
        living.stdout.readline()
        for _ in range(2):
            text = run(tmp_path, READ)
            assert 'rizzpay_refused_total{code="not_found"} 2.0' in text
            assert 'rizzpay_database_pool{role="rizzpay_app",state="size"} 8.0' in text
        assert (tmp_path / f"counter_{living.pid}.db").exists()
        living.communicate("\n")
    text = run(tmp_path, READ)
    assert 'rizzpay_refused_total{code="not_found"} 2.0' in text


def test_a_kind_of_job_with_nothing_due_is_shown_as_zero(tmp_path):
    text = run(tmp_path, WRITE + "metrics.backlog([], now)\n" + READ)
    assert 'rizzpay_jobs_due{kind="webhook.deliver"} 0.0' in text
    assert 'rizzpay_database_pool{role="rizzpay_app",state="size"} 8.0' in text
