"""The report: one file of HTML that needs nothing else, whatever documents it is made of."""

import json
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from capacity.commands.report import command
from capacity.report import charts, page, svg
from tests.capacity import sample_runs as samples

VOID = {"meta", "line", "circle", "rect", "polyline", "polygon", "br"}
OPTIONAL = {"td", "th", "p"}


class Balanced(HTMLParser):
    """Fails when an element that has to be closed is not."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID | OPTIONAL:
            assert self.open.pop() == tag


@pytest.fixture
def documents():
    runs = samples.ladder(lambda n: 6000 * n / (n + 4))
    return [samples.bench(), samples.check(runs=runs), samples.GROW]


def test_the_page_is_whole_and_needs_nothing_else(documents):
    text = page.page(documents, "A <box>")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert {"svg", "title", "table", "polyline", "rect"} <= parser.seen
    assert "script" not in parser.seen
    assert not [value for name, value in parser.attributes if name in {"src", "href"}]
    assert "A &lt;box&gt;" in text


def test_every_chart_is_drawn_when_its_figures_are_there(documents):
    text = page.page(documents, "Box")
    for head in page.CHARTS:
        assert f"<h2>{head}</h2>" in text


def test_a_chart_without_figures_is_left_out():
    text = page.page([samples.GROW], "Box")
    assert "<h2>Growth</h2>" in text
    assert "<h2>Scaling</h2>" not in text
    assert charts.throughput([]) == ""
    assert svg.bars("none", [], "µs") == ""


def test_marks_have_tooltips(documents):
    drawing = charts.throughput(charts.runs_of(documents))
    assert drawing.count("<title>") > 10
    assert "payments a second" in drawing
    assert "ms (log)" in drawing


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.02, "0.02"), (4.5, "4.5"), (12_345.6, "12,346")]
)
def test_numbers_are_written_as_people_read_them(value, said):
    assert svg.number(value) == said


def test_the_command_writes_the_file(tmp_path, documents):
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    files = [f"--json={tmp_path / f'{number}.json'}" for number in range(len(documents))]
    done = CliRunner().invoke(command, [*files, f"--html={tmp_path / 'report.html'}"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_a_bench_that_missed_a_bar_says_so_in_the_page():
    found = samples.bench()
    found["lone_p50_ms"] = {"median": 9.0, "min": 9.0, "max": 9.0, "runs": [9.0]}
    assert ">MISSED</tr>" in page.page([found], "Box")
