import pytest

from attn_monitor.capture import Call
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.passes import without_generation


def tokens(source, target=None):
    def stream(length):
        return Stream(ids=(tuple(range(length)),), starts=(0,), width=length)

    return BatchTokens(source=stream(source), target=None if target is None else stream(target))


def calls(*passes, layers=2, kind="self", name="layers"):
    """Return the calls of several passes, each given as (queries, keys)."""
    return [
        Call(
            module=f"{name}.{layer}",
            call=number,
            kind=kind,
            causal=kind == "self",
            heads=1,
            queries=queries,
            keys=keys,
        )
        for number, (queries, keys) in enumerate(passes)
        for layer in range(layers)
    ]


def square(*lengths):
    return [(length, length) for length in lengths]


def kept(found):
    return [(call.module, call.call, call.queries, call.keys) for call in found]


@pytest.mark.parametrize(
    ("passes", "which"),
    [
        (square(9, 3, 4, 5, 6), 0),
        (square(3, 4, 5, 6, 9), 4),
        (square(9, *range(3, 15)), 0),  # generation comes past the sentence's length
        (square(9, 10, 11, 12), 0),  # the sentence is the prompt
        ([(9, 9), (1, 10), (1, 11), (1, 12)], 0),  # and later words read a cache
        (square(*range(3, 10)), 6),  # nothing but generation, which reaches the sentence
    ],
)
def test_of_a_step_that_generates_the_pass_over_the_sentence_is_kept(passes, which):
    with pytest.warns(AttentionMonitorWarning):
        found = without_generation(calls(*passes), tokens(9), Failures())
    assert kept(found) == [(f"layers.{layer}", which, 9, 9) for layer in range(2)]


def test_a_prompt_without_the_last_token_of_the_batch_is_the_sentence():
    with pytest.warns(AttentionMonitorWarning):
        found = without_generation(calls(*square(8, 9, 10)), tokens(9), Failures())
    assert kept(found) == [("layers.0", 0, 8, 8), ("layers.1", 0, 8, 8)]


def test_an_encoder_decoder_that_generates_keeps_all_three_of_its_parts():
    decoder = [(7, 7), *((n, n) for n in range(1, 6))]
    cross = [(7, 9), *((n, 9) for n in range(1, 6))]
    everything = (
        calls((9, 9), (9, 9), name="encoder")
        + calls(*decoder, name="decoder")
        + calls(*cross, kind="cross", name="cross")
    )
    with pytest.warns(AttentionMonitorWarning):
        found = without_generation(everything, tokens(9, 7), Failures())
    assert {(call.module[:-2], call.queries, call.keys) for call in found} == {
        ("encoder", 9, 9),
        ("decoder", 7, 7),
        ("cross", 7, 9),
    }


@pytest.mark.parametrize(
    "passes",
    [
        square(9),
        square(9, 9, 9),  # layers that share their weights
        square(9, 5),  # one encoder for two sentences
        square(9, 10),
        square(8, 4, 2),
    ],
)
def test_steps_that_do_not_generate_keep_every_call(passes):
    failures = Failures()
    everything = calls(*passes)
    assert without_generation(everything, tokens(9), failures) == everything
    assert failures.count == 0


def test_the_warning_says_what_was_seen_and_what_to_do():
    with pytest.warns(AttentionMonitorWarning) as said:
        without_generation(calls(*square(9, 3, 4, 5)), tokens(9), Failures())
    assert str(said[0].message) == (
        "AttentionMonitor, while looking for the pass over the sentence: the model read 3 to 5 "
        "tokens in passes that grow by one: validation_step seems to generate text, and generated "
        "passes are not recorded. Say which pass to record, and spare each recording the others: "
        "AttentionMonitor(replay=lambda module, batch: module(batch[0])), with what your forward "
        "takes\nTraining goes on without it."
    )


def test_where_no_pass_is_over_the_sentence_the_first_is_kept_and_said_to_be_another():
    with pytest.warns(AttentionMonitorWarning, match="and none over the sentence of the batch"):
        found = without_generation(calls(*square(3, 4, 5)), tokens(9), Failures())
    assert kept(found) == [("layers.0", 0, 3, 3), ("layers.1", 0, 3, 3)]


def test_what_begins_with_one_token_is_seen_where_most_are_read():
    batch = BatchTokens(
        source=Stream(ids=(("?",),), starts=(0,), width=1, named=False)  # a series, without ids
    )
    steps = [
        *calls(*[(12, 12)] * 4, layers=1, name="encoder"),
        *calls(*square(1, 2, 3, 4), layers=1, name="decoder"),
        *calls((1, 12), (2, 12), (3, 12), (4, 12), layers=1, kind="cross", name="cross"),
    ]
    with pytest.warns(AttentionMonitorWarning, match="and none over the sentence of the batch"):
        found = without_generation(steps, batch, Failures())
    assert kept(found) == [("encoder.0", 3, 12, 12), ("decoder.0", 3, 4, 4), ("cross.0", 3, 4, 12)]
