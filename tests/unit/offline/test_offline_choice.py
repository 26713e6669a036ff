import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Probe, Tokens
from tb_plugin.offline.choice import Cost, fit, in_turn, named, numbered, opening, spread

STEPS = tuple(range(0, 1000, 100))
SENTENCE = Cost(once=10, each_step=1)


def costs(count, cost=SENTENCE):
    return dict.fromkeys(range(count), cost)


def test_everything_is_taken_where_there_is_room():
    assert fit(STEPS, costs(8), 160) == (STEPS, tuple(range(8)))


def test_sentences_are_given_up_before_steps_down_to_four():
    assert fit(STEPS, costs(8), 159) == (STEPS, tuple(range(7)))
    assert fit(STEPS, costs(8), 80) == (STEPS, (0, 1, 2, 3))


def test_below_four_sentences_steps_are_given_up_evenly():
    assert fit(STEPS, costs(8), 79) == (STEPS[:5] + STEPS[6:], (0, 1, 2, 3))
    assert fit(STEPS, costs(8), 40 + 4 * 4) == ((0, 300, 600, 900), (0, 1, 2, 3))


def test_at_the_very_least_one_sentence_is_shown_at_the_last_step():
    assert fit(STEPS, costs(8), 11) == ((900,), (0,))
    with pytest.raises(ConfigurationError) as error:
        fit(STEPS, costs(8, Cost(once=1_000_000, each_step=250_000)), 1_000_000)
    assert str(error.value) == (
        "the first sentence at one step needs 0.25 MB more than there are; raise --max-mb, or "
        "choose fewer --parts or a shorter sentence with --probes"
    )


@given(
    count=st.integers(1, 12),
    steps=st.integers(1, 30),
    step_cost=st.integers(0, 50),
    room=st.integers(0, 5000),
    each=st.data(),
)
def test_what_is_chosen_never_exceeds_the_room(count, steps, step_cost, room, each):
    cost = st.builds(Cost, once=st.integers(0, 40), each_step=st.integers(1, 40))
    all_costs = {index: each.draw(cost) for index in range(count)}
    try:
        some, probes = fit(range(steps), all_costs, room, step_cost=step_cost, keep=(steps // 2,))
    except ConfigurationError:
        first = all_costs[0]
        assert first.once + first.each_step + step_cost > room
        return
    taken = sum(all_costs[p].once + len(some) * all_costs[p].each_step for p in probes)
    assert taken + len(some) * step_cost <= room
    assert list(some) == sorted(set(some))
    assert some[-1] == steps - 1
    assert probes == tuple(range(len(probes)))


@given(st.sets(st.integers(0, 500), min_size=2), st.integers(2, 40), st.data())
def test_fewer_steps_keep_both_ends_and_the_one_that_is_needed(steps, count, data):
    steps = sorted(steps)
    needed = data.draw(st.sampled_from(steps))
    found = spread(steps, count, keep=(needed,))
    assert len(found) == min(count, len(steps))
    assert {steps[0], steps[-1]} <= set(found) <= set(steps)
    assert needed in found or count == 2


def test_validation_and_training_sentences_take_turns():
    splits = ("val", "val", "val", "train", "train")
    probes = [
        Probe(index=at, split=split, source=Tokens(text=("a",))) for at, split in enumerate(splits)
    ]
    assert in_turn(probes) == [0, 3, 1, 4, 2]


def test_spans_name_the_steps_within_them():
    assert numbered("step", ((100, 300), (900, 900)), STEPS) == (100, 200, 300, 900)
    assert numbered("step", None, STEPS) == STEPS


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (
            lambda: numbered("step", ((5, 5),), (0, 10)),
            "step 5 is not in this recording; it has 0, 10",
        ),
        (
            lambda: numbered("step", ((5, 7),), tuple(range(10, 40))),
            "step 5 to 7 is not in this recording; it has "
            "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 … 39",
        ),
        (
            lambda: named("part", ("cros",), ("encoder", "cross")),
            "part 'cros' is not in this recording; it has encoder, cross",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(choose, message):
    with pytest.raises(ConfigurationError) as error:
        choose()
    assert str(error.value) == message


class Whole:
    """A recording that says nothing of what it keeps, as those made before windows do."""

    @staticmethod
    def kept(_):
        return None


def opened(*texts, splits="val"):
    """Which of these sentences a page opens with: the same as `tests/core/first_probe.test.ts`."""
    splits = [splits] * len(texts) if isinstance(splits, str) else splits
    probes = [
        Probe(index=at, split=split, source=Tokens(text=tuple(text)))
        for at, (text, split) in enumerate(zip(texts, splits, strict=True))
    ]
    return opening(Whole(), probes).index


def test_a_page_opens_as_the_tab_does():
    def words(count):
        return [f"w{at}" for at in range(count)]

    assert opened(words(12), words(10)) == 0
    assert opened(words(33), words(10), words(10), splits=("val", "train", "val")) == 2
    assert opened([*words(8), "[UNK]", "<unk>"], words(10)) == 1
    assert opened(words(128), words(128)) == 0
