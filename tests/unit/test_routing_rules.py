"""Rules and strategies: which rule is met, in which order gateways are asked, always the same."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rizzpay.gateways.routing import deciding, rules, strategies
from rizzpay.gateways.routing.deciding import Inputs, Record, decide
from rizzpay.gateways.routing.rules import (
    Asked,
    Condition,
    Fee,
    LowestCost,
    Preference,
    Priority,
    Rule,
    RuleSet,
    SuccessRate,
    VolumeSplit,
)

NAMES = ("a", "b", "c")
ASKED = Asked("pay_1", "mer_1", "5411", "card", "INR", 50_000, "HDFC", 1_000)


def inputs(asked=ASKED, *, ill=(), rates=None):
    return Inputs(asked, NAMES, dict.fromkeys(ill, "open"), rates or {})


def ordered(use, *more, **about):
    """Return whom a set of this one strategy asks."""
    return decide(RuleSet(default=use), inputs(*more, **about)).gateways


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({}, True),
        ({"methods": ("upi", "card")}, True),
        ({"methods": ("upi",)}, False),
        ({"currencies": ("USD",)}, False),
        ({"issuers": ("HDFC",)}, True),
        ({"issuers": ("ICICI",)}, False),
        ({"mccs": ("5411",)}, True),
        ({"mccs": ("5412",)}, False),
        ({"merchants": ("mer_1",)}, True),
        ({"merchants": ("mer_2",)}, False),
        ({"amount_min": 50_000, "amount_max": 50_000}, True),
        ({"amount_min": 50_001}, False),
        ({"amount_max": 49_999}, False),
        ({"methods": ("card",), "mccs": ("1",)}, False),
    ],
)
def test_a_condition_holds_when_all_of_it_does(condition, holds):
    rule_set = RuleSet((Rule("r", Priority(("c",)), Condition(**condition)),))
    assert (rules.met(rule_set, ASKED) is not None) is holds
    assert decide(rule_set, inputs()).gateways[0] == ("c" if holds else "a")


def test_a_payment_that_does_not_say_its_issuer_meets_no_list_of_them():
    rule_set = RuleSet((Rule("r", Preference(), Condition(issuers=("HDFC",))),))
    assert rules.met(rule_set, replace(ASKED, issuer=None)) is None


@pytest.mark.parametrize(
    ("first", "until", "holds"),
    [(None, None, True), (1_000, 1_001, True), (1_001, None, False), (None, 1_000, False)],
)
def test_a_rule_is_effective_from_one_moment_to_before_another(first, until, holds):
    rule = Rule("r", Preference(), effective_from=first, effective_until=until)
    assert (rules.met(RuleSet((rule,)), ASKED) is rule) is holds


def test_the_first_rule_that_holds_decides():
    rule_set = RuleSet(
        (
            Rule("upi", Priority(("a",)), Condition(methods=("upi",))),
            Rule("large", Priority(("b",)), Condition(amount_min=50_000)),
            Rule("all", Priority(("c",))),
        )
    )
    assert decide(rule_set, inputs()).rule == "large"
    assert decide(rule_set, inputs(replace(ASKED, amount=1))).rule == "all"


def test_without_rules_it_is_the_order_of_the_settings_without_the_ill():
    assert ordered(Preference(), ill=["a"]) == ("b", "c")
    assert ordered(Preference(), ill=NAMES) == ()


def test_priority_puts_the_named_first_and_keeps_the_others():
    assert ordered(Priority(("c", "x"))) == ("c", "a", "b")
    assert ordered(Priority(("c", "b")), ill=["c"]) == ("b", "a")


def test_a_split_gives_each_its_share_of_many_payments():
    split = VolumeSplit({"a": 70, "b": 30})
    drawn = Counter(ordered(split, replace(ASKED, payment_id=f"pay_{n}"))[0] for n in range(4_000))
    assert set(drawn) == {"a", "b"}
    assert abs(drawn["a"] - 2_800) < 150  # five standard deviations
    left = {ordered(split, replace(ASKED, payment_id=f"pay_{n}"), ill=["a"])[0] for n in range(99)}
    assert left == {"b"}


FEES = (Fee("a", "card", 200, 0), Fee("b", "card", 100, 300), Fee("c", "upi", 0, 0))


@pytest.mark.parametrize(
    ("amount", "order", "cheapest"),
    [
        (50_000, ("b", "a", "c"), 944),  # (1 % + 3.00) and 18 % on it
        (30_000, ("a", "b", "c"), 708),  # both cost 6.00: the order of the settings
        (10_000, ("a", "b", "c"), 236),
    ],
)
def test_the_cheapest_is_first_with_gst_and_what_has_no_fee_is_last(amount, order, cheapest):
    asked = replace(ASKED, amount=amount)
    decision = decide(RuleSet(default=LowestCost(), fees=FEES), inputs(asked))
    assert decision.gateways == order
    assert decision.why == f"costs {cheapest} with GST"


def test_the_best_rate_is_first_and_what_has_none_is_last():
    use = SuccessRate(minimum=10, exploration_percent=0)
    assert ordered(use, rates={"a": (8, 2), "b": (90, 10), "c": (9, 0)}) == ("b", "a", "c")
    assert ordered(use, rates={"a": (1, 0)}) == NAMES
    assert ordered(use, rates={"b": (9, 1), "c": (9, 1)}) == ("b", "c", "a")


def test_a_share_of_payments_explores_every_gateway():
    use = SuccessRate(minimum=10, exploration_percent=20)
    rates = {"a": (10, 0), "b": (0, 10), "c": (0, 10)}
    firsts = Counter(
        ordered(use, replace(ASKED, payment_id=f"pay_{n}"), rates=rates)[0] for n in range(3_000)
    )
    assert 150 < firsts["b"] < 250
    assert 150 < firsts["c"] < 250


STRATEGIES = st.one_of(
    st.just(Preference()),
    st.just(LowestCost()),
    st.builds(lambda names: Priority(tuple(names)), st.permutations(NAMES)),
    st.integers(1, 98).map(lambda part: VolumeSplit({"a": part, "b": 1, "c": 99 - part})),
    st.builds(SuccessRate, minimum=st.integers(1, 50), exploration_percent=st.integers(0, 100)),
)
INPUTS = st.builds(
    Inputs,
    asked=st.builds(
        Asked,
        st.uuids().map(str), st.just("mer_1"), st.just("5411"), st.sampled_from(["card", "upi"]),
        st.just("INR"), st.integers(1, 10**9), st.none(), st.integers(0, 2_000),
    ),
    eligible=st.permutations(NAMES).map(tuple),
    ill=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["open", "down"])),
    rates=st.dictionaries(
        st.sampled_from(NAMES), st.tuples(st.integers(0, 100), st.integers(0, 100))
    ),
)  # fmt: skip


@given(STRATEGIES, STRATEGIES, INPUTS)
def test_every_decision_asks_all_that_are_well_once_and_comes_out_the_same_again(one, two, given_):
    rule_set = RuleSet((Rule("r", one, Condition(methods=("card",))),), two, FEES)
    decision = decide(rule_set, given_)
    assert sorted(decision.gateways) == sorted(set(NAMES) - set(given_.ill))
    written = Record(7, given_, decision).written()
    stored = msgspec.json.decode(msgspec.json.encode(rule_set), type=RuleSet)
    read = deciding.read(written)
    assert deciding.again(read, {7: stored}) == read.decision == decision
    assert read.written() == written


@pytest.mark.parametrize(
    ("rule_set", "param"),
    [
        (RuleSet((Rule("r", Preference()), Rule("r", Preference()))), "rules[1].name"),
        (RuleSet((Rule("r", VolumeSplit({"a": 50, "b": 49})),)), "rules[0].use.shares"),
        (RuleSet((Rule("r", Priority(("a", "a"))),)), "rules[0].use.gateways"),
        (RuleSet((Rule("r", Priority(("x",))),)), "rules[0].use"),
        (RuleSet(default=VolumeSplit({"x": 100})), "default"),
        (
            RuleSet((Rule("r", Preference(), effective_from=5, effective_until=5),)),
            "rules[0].effective_until",
        ),
        (
            RuleSet((Rule("r", Preference(), Condition(amount_min=5, amount_max=4)),)),
            "rules[0].when.amount_max",
        ),
        (RuleSet(fees=(Fee("x", "card"),)), "fees[0].gateway"),
        (RuleSet(fees=(Fee("a", "card"), Fee("a", "card", 5))), "fees[1]"),
    ],
)
def test_what_is_wrong_with_a_set_names_the_field(rule_set, param):
    assert [it for it, _ in rules.faults(rule_set, NAMES)] == [param]


def test_a_set_that_is_right_has_no_faults():
    rule_set = RuleSet(
        (Rule("r", VolumeSplit({"a": 50, "b": 50}), Condition(amount_min=5, amount_max=5)),),
        Priority(("c",)),
        FEES,
    )
    assert list(rules.faults(rule_set, NAMES)) == []


def test_a_cost_is_rounded_half_up_and_has_gst_on_it():
    rule_set = RuleSet(fees=(Fee("a", "card", 175, 50),))
    assert strategies.cost(rule_set, "a", "card", 10_043) == 226 + 41
    assert strategies.cost(rule_set, "a", "upi", 10_043) is None
