"""Canonical bytes of the trail, and what the walk over the chain makes of every kind of damage."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.audit import model
from rizzpay.audit.model import GENESIS, Checkpoint, Head, Link, Row
from rizzpay.audit.verifying import FINDINGS_MAX, Kind, Walk

ROW = Row(
    id=7,
    xid=900,
    at="2026-11-21T12:00:00.123456Z",
    merchant_id="mer_A",
    livemode=False,
    actor="worker",
    action="payment.captured",
    object_id="pay_A",
    request_id=None,
    detail='{"b": 1, "a": "₹ \\"x\\"\\n"}',
)


def test_a_row_has_the_bytes_that_the_document_shows():
    assert (
        model.canonical(ROW)
        == (
            '{"action":"payment.captured","actor":"worker","at":"2026-11-21T12:00:00.123456Z",'
            '"detail":{"a":"₹ \\"x\\"\\n","b":1},"id":7,"livemode":false,"merchant_id":"mer_A",'
            '"object_id":"pay_A","request_id":null,"xid":900}'
        ).encode()
    )


def test_a_link_is_the_hash_of_the_hash_before_and_the_row():
    assert model.link_hash(GENESIS, b"x") == hashlib.sha256(bytes(32) + b"x").digest()


def test_a_moment_is_written_in_utc_with_microseconds():
    india = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 11, 21, 17, 30, 0, 5, tzinfo=india)
    assert model.moment_text(at) == "2026-11-21T12:00:00.000005Z"


def test_a_checkpoint_signs_its_domain_position_hash_and_moment():
    message = model.checkpoint_message(3, b"\xab" * 32, "2026-11-21T12:00:00.000000Z")
    assert message == (
        b'rizzpay-audit-checkpoint-v1\n{"hash":"' + b"ab" * 32 + b'","position":3,'
        b'"signed_at":"2026-11-21T12:00:00.000000Z"}'
    )


@pytest.mark.parametrize(
    "detail",
    ["", "{", '{"a": 1e999}' + "x", "[" * 100_000, "1" * 10_000],
    ids=["empty", "cut", "garbage", "deep", "huge number"],
)
def test_a_detail_that_nobody_could_have_written_has_no_bytes_or_other_bytes(detail):
    assert model.canonical(replace(ROW, detail=detail)) != model.canonical(ROW)


keys = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
branches = st.lists(leaves, max_size=3) | st.dictionaries(keys, leaves, max_size=3)


@given(st.dictionaries(keys, leaves | branches, max_size=5))
def test_plain_details_are_accepted_and_have_bytes(detail):
    model.check_detail(detail)
    first = model.canonical(replace(ROW, detail=json.dumps(detail)))
    second = model.canonical(replace(ROW, detail=json.dumps(dict(reversed(detail.items())))))
    assert first is not None
    assert first == second
    plain = json.loads(json.dumps(model.fields(replace(ROW, detail=json.dumps(detail)))))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert first == text.encode()  # as the verifier of docs/audit.md writes it


@pytest.mark.parametrize(
    "detail",
    [
        {"rate": 0.1},
        {"big": 2**53},
        {"when": datetime(2026, 1, 1, tzinfo=UTC)},
        {"ключ": 1},
        {"a\n": 1},
        {1: 1},
        {"text": "a\0b"},
        {"text": "\ud800"},
        {"list": [{"deep": 1.5}]},
        {"raw": b"x"},
    ],
)
def test_details_that_are_not_plain_are_refused(detail):
    with pytest.raises(ValueError, match=r".+"):
        model.check_detail(detail)


def test_a_detail_without_end_is_refused():
    detail = {}
    detail["self"] = detail
    with pytest.raises(ValueError, match="nested"):
        model.check_detail(detail)


def chain(count):
    """Return a sound chain as (link, row, checkpoint); every third link has a checkpoint."""
    steps, previous = [], GENESIS
    for position in range(1, count + 1):
        row = replace(ROW, id=100 + position, detail=f'{{"n": {position}}}')
        previous = model.link_hash(previous, model.canonical(row))
        made = (
            Checkpoint(position, previous, ROW.at, "sig-audit-v1", b"s")
            if not position % 3
            else None
        )
        steps.append((Link(position, row.id, previous), row, made))
    return steps


def findings(steps, check=lambda _: True):
    walk = Walk(Head(0, GENESIS), check)
    for step in steps:
        walk.step(*step)
    return [(found.kind, found.position, found.audit_id) for found in walk.finish()]


def test_a_sound_chain_has_no_findings():
    assert findings(chain(10)) == []
    assert findings([]) == []


@pytest.mark.parametrize("position", range(1, 11))
def test_an_altered_row_is_named_and_only_that(position):
    steps = chain(10)
    link, row, made = steps[position - 1]
    steps[position - 1] = (link, replace(row, actor="nobody"), made)
    assert findings(steps) == [(Kind.ALTERED, position, 100 + position)]


@pytest.mark.parametrize("position", range(1, 11))
def test_a_deleted_row_is_named_and_only_that(position):
    steps = chain(10)
    link, _, made = steps[position - 1]
    steps[position - 1] = (link, None, made)
    assert findings(steps) == [(Kind.MISSING, position, 100 + position)]


@pytest.mark.parametrize("position", [1, 2, 4, 5, 7, 8])
def test_an_altered_hash_is_told_from_an_altered_row(position):
    steps = chain(10)
    link, row, made = steps[position - 1]
    steps[position - 1] = (replace(link, hash=b"\1" * 32), row, made)
    assert findings(steps) == [(Kind.HASH_ALTERED, position, 100 + position)]


@pytest.mark.parametrize(("first", "second"), [(1, 2), (4, 5), (2, 9), (9, 10)])
def test_two_rows_that_changed_places_are_both_named(first, second):
    steps = chain(10)
    link_a, row_a, made_a = steps[first - 1]
    link_b, row_b, made_b = steps[second - 1]
    steps[first - 1] = (replace(link_a, audit_id=row_b.id), row_b, made_a)
    steps[second - 1] = (replace(link_b, audit_id=row_a.id), row_a, made_b)
    assert findings(steps) == [
        (Kind.REORDERED, first, 100 + second),
        (Kind.REORDERED, second, 100 + first),
    ]


def test_a_forged_link_that_was_pushed_in_is_named():
    steps = [(link, row, None) for link, row, _ in chain(10)]
    row = replace(ROW, id=999)
    forged = Link(5, 999, model.link_hash(steps[3][0].hash, model.canonical(row)))
    moved = [(replace(link, position=link.position + 1), r, m) for link, r, m in steps[4:]]
    assert findings([*steps[:4], (forged, row, None), *moved]) == [(Kind.INSERTED, 5, 999)]
    random = replace(forged, hash=b"\7" * 32)
    assert findings([*steps[:4], (random, row, None), *moved]) == [(Kind.INSERTED, 5, 999)]


@pytest.mark.parametrize("position", [1, 5, 10])
def test_links_that_were_taken_out_are_named(position):
    steps = chain(11)
    del steps[position - 1]
    assert findings(steps)[0] == (Kind.MISSING, position, None)


def test_a_link_that_was_taken_out_and_the_rest_renumbered_is_named():
    steps = [(link, row, None) for link, row, _ in chain(10)]
    closed = [(replace(link, position=link.position - 1), r, m) for link, r, m in steps[5:]]
    assert findings([*steps[:4], *closed]) == [(Kind.ALTERED, 5, 106)]


def test_a_rewritten_chain_contradicts_its_checkpoints():
    steps = chain(10)
    made = {link.position: checkpoint for link, _, checkpoint in steps}
    previous = steps[3][0].hash
    for position in range(5, 11):
        link, row, _ = steps[position - 1]
        row = replace(row, actor="nobody")
        previous = model.link_hash(previous, model.canonical(row))
        steps[position - 1] = (replace(link, hash=previous), row, made[position])
    assert [(kind, at) for kind, at, _ in findings(steps)] == [
        (Kind.CHECKPOINT_CONTRADICTED, 6),
        (Kind.CHECKPOINT_CONTRADICTED, 9),
    ]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(False, Kind.CHECKPOINT_ALTERED), (None, Kind.CHECKPOINT_UNVERIFIABLE)],
)
def test_a_checkpoint_without_a_good_signature_is_named(answer, kind):
    assert findings(chain(4), check=lambda _: answer) == [(kind, 3, None)]


def test_a_walk_may_start_in_the_middle():
    steps = chain(10)
    walk = Walk(Head(4, steps[3][0].hash), lambda _: True)
    for step in steps[4:]:
        walk.step(*step)
    assert walk.finish() == []
    assert (walk.links, walk.head.position) == (6, 10)


def test_a_report_of_endless_damage_has_an_end():
    steps = [(link, replace(row, actor="x"), None) for link, row, _ in chain(FINDINGS_MAX + 50)]
    walk = Walk(Head(0, GENESIS), lambda _: True)
    for step in steps:
        walk.step(*step)
    assert len(walk.finish()) == FINDINGS_MAX
    assert walk.truncated


def test_an_exported_line_has_what_was_hashed():
    (link, row, made) = chain(3)[2]
    line = json.loads(model.export_line(link, row, made))
    assert line["position"] == 3
    assert line["hash"] == line["checkpoint"]["hash"] == link.hash.hex()
    text = json.dumps(line["row"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == model.canonical(row)


def test_a_row_that_is_gone_or_garbled_is_exported_as_such():
    (link, row, _) = chain(1)[0]
    assert json.loads(model.export_line(link, None, None))["row"] is None
    garbled = json.loads(model.export_line(link, replace(row, detail="{"), None))
    assert (garbled["row"]["detail"], garbled["row"]["id"]) == ("{", row.id)
