import dataclasses
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.core.errors import BatchNotUnderstoodError
from attn_monitor.monitor.batches import describe, describe_any

IDS = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
LABELS = torch.tensor([1, 0])


def test_a_tokens_labels_tuple_is_cut_at_the_padding_id():
    tokens = describe((IDS, LABELS), pad_id=0)
    assert tokens.source.ids == ((5, 6, 7), (8, 9))
    assert tokens.source.width == 4
    assert tokens.target is None


def test_without_a_padding_id_every_column_is_a_token():
    assert describe((IDS, LABELS)).source.ids == ((5, 6, 7, 0), (8, 9, 0, 0))


def test_a_hugging_face_batch_follows_its_attention_mask_also_with_left_padding():
    batch = {
        "input_ids": torch.tensor([[0, 0, 5, 6], [7, 8, 9, 1]]),
        "attention_mask": torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]]),
        "labels": LABELS,
    }
    source = describe(batch).source
    assert source.ids == ((5, 6), (7, 8, 9, 1))
    assert source.starts == (2, 0)
    assert source.longest == 4


def test_decoder_input_ids_are_the_target():
    target = torch.tensor([[1, 2], [3, 0]])
    tokens = describe({"input_ids": IDS, "decoder_input_ids": target}, pad_id=0)
    assert tokens.target is not None
    assert tokens.target.ids == ((1, 2), (3,))


def test_a_pair_of_id_tensors_is_source_and_target():
    target = torch.tensor([[1, 2, 3], [3, 4, 0]])
    tokens = describe((IDS, target), pad_id=0)
    assert tokens.target is not None
    assert tokens.target.ids == ((1, 2, 3), (3, 4))


def test_a_boolean_mask_in_a_tuple_marks_the_valid_tokens():
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    assert describe((IDS, mask, LABELS)).source.ids == ((5, 6, 7), (8, 9))


ANSWERS = torch.tensor([[False, False, True, True], [False, True, True, False]])


@pytest.mark.parametrize("answers", [ANSWERS, ~ANSWERS, ANSWERS.long()])
@pytest.mark.parametrize("name", ["", "loss_mask", "prompt_mask", "completion_mask"])
def test_what_a_loss_is_taken_of_hides_no_words(answers, name):
    ids = torch.tensor([[5, 6, 7, 4], [8, 9, 3, 2]])
    tokens = describe({"input_ids": ids, name: answers} if name else (ids, answers))
    assert tokens.source.ids == ((5, 6, 7, 4), (8, 9, 3, 2))


@pytest.mark.parametrize(
    "batch",
    [
        lambda ids, lengths: (ids, lengths, LABELS),
        lambda ids, lengths: (LABELS, ids, lengths.int()),
        lambda ids, lengths: {"tokens": ids, "seq_len": lengths},
    ],
    ids=["tuple", "behind labels", "mapping"],
)
def test_lengths_say_where_padding_begins(batch):
    def sentences(lengths):
        return describe_any(batch(IDS, torch.tensor(lengths))).source

    assert sentences([3, 2]).ids == ((5, 6, 7), (8, 9))
    # Numbers that leave words or no padding are something else: labels, scores.
    assert {len(ids) for ids in sentences([2, 3]).ids} == {4}
    assert {len(ids) for ids in sentences([4, 4]).ids} == {4}


def test_describe_batch_may_return_words():
    tokens = describe({"odd": 1}, describe_batch=lambda _: [["a", "b"], ["c"]])
    assert tokens.source.ids == (("a", "b"), ("c",))
    assert tokens.source.width == 2


def test_describe_batch_may_return_a_source_and_a_target():
    tokens = describe(object(), describe_batch=lambda _: ([["a"]], [["b", "c"]]))
    assert tokens.target is not None
    assert tokens.target.ids == (("b", "c"),)


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        (torch.zeros(2, 3), r"Tensor\[2, 3\] float32"),
        ({"pixels": torch.zeros(1, 3)}, r"'pixels': Tensor\[1, 3\]"),
        ((torch.zeros(2, 3, 4), LABELS), r"Tensor\[2, 3, 4\]"),
        ("text", "str"),
        ([], "yields"),
    ],
)
def test_an_unknown_batch_is_named_and_the_remedy_shown(batch, named):
    with pytest.raises(BatchNotUnderstoodError, match=named) as error:
        describe(batch)
    assert "AttentionMonitor(describe_batch=tokens_of)" in str(error.value)


def test_a_wrong_answer_of_describe_batch_is_named():
    with pytest.raises(BatchNotUnderstoodError, match=r"describe_batch returned Tensor\[3\]"):
        describe(IDS, describe_batch=lambda _: torch.zeros(3))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.booleans())
def test_padding_on_either_side_never_changes_the_tokens(lengths, left):
    width = max(*lengths, 1) + 2
    rows = [[7] * n for n in lengths]
    padded = [[0] * (width - len(r)) + r if left else r + [0] * (width - len(r)) for r in rows]
    source = describe(torch.tensor(padded), pad_id=0).source
    assert source.ids == tuple(tuple(r) for r in rows)
    assert all(
        padded[i][start : start + len(rows[i])] == rows[i] for i, start in enumerate(source.starts)
    )


def test_clipping_a_stream_drops_only_what_lies_beyond_the_column():
    source = describe((IDS, LABELS), pad_id=0).source.clipped(2)
    assert source.ids == ((5, 6), (8, 9))
    assert source.width == 2


WORDS = torch.tensor([[5, 6, 7, 0, 0], [8, 9, 0, 0, 0], [3, 4, 5, 6, 2]])
LEFT = torch.tensor([[0, 0, 5, 6, 7], [0, 0, 0, 8, 9], [3, 4, 5, 6, 2]])
SPOKEN = ((5, 6, 7), (8, 9), (3, 4, 5, 6, 2))
HIDDEN = float("-inf")
HIDDEN_FAR = -1e9
MASKS = {
    "true is padding": lambda ids: ids == 0,
    "true is real": lambda ids: ids != 0,
    "one is real": lambda ids: (ids != 0).long(),
    "one is padding": lambda ids: (ids == 0).int(),
    "float one is real": lambda ids: (ids != 0).float(),
    "added to scores": lambda ids: torch.where(ids == 0, HIDDEN, 0.0),
    "added, per head": lambda ids: torch.where(ids == 0, -1e4, 0.0)[:, None, None],
    "per query and key": lambda ids: (ids != 0)[:, None].expand(-1, 5, -1),
}


class Named(NamedTuple):
    labels: torch.Tensor
    input_ids: torch.Tensor
    pad_mask: torch.Tensor


@dataclasses.dataclass
class Fields:
    ids: torch.Tensor
    mask: torch.Tensor


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("ids", [WORDS, LEFT], ids=["right", "left"])
@pytest.mark.parametrize(
    "batch",
    [
        lambda ids, mask: (ids, mask, torch.tensor([0, 1, 1])),
        lambda ids, mask: {"ids": ids, "mask": mask},
        lambda ids, mask: {"input_ids": ids, "key_padding_mask": mask},
        Fields,
        lambda ids, mask: Named(torch.tensor([0, 1, 1]), ids, mask),
        lambda ids, mask: (torch.tensor([0, 1, 1]), {"src": ids, "src_mask": mask}),
    ],
    ids=["tuple", "mapping", "named as padding", "dataclass", "named tuple", "inner mapping"],
)
def test_a_mask_hides_padding_whichever_way_round_it_is_written(batch, ids, mask):
    tokens = describe(batch(ids, mask(ids)))
    assert tokens.source.ids == SPOKEN
    assert tokens.target is None


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_is_never_the_target_and_each_stream_has_its_own(mask):
    target = WORDS.flip(0)
    tokens = describe((WORDS, mask(WORDS), target, mask(target)))
    assert tokens.source.ids == SPOKEN
    assert tokens.target is not None
    assert tokens.target.ids == SPOKEN[::-1]


def test_what_may_be_segments_hides_nothing():
    segments = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 1, 1]])
    named = {"input_ids": WORDS, "token_type_ids": segments}
    for batch in ((WORDS, segments), (WORDS, WORDS != 0, segments), named):
        width = {len(ids) for ids in describe(batch, pad_id=None).source.ids}
        assert width == ({2, 3, 5} if len(batch) == 3 else {5})


def test_a_mask_of_which_every_entry_is_alike_hides_nothing():
    for value in (True, False):
        tokens = describe((WORDS[2:], torch.full((1, 5), value)))
        assert tokens.source.ids == SPOKEN[2:]


@pytest.mark.parametrize("make", [lambda hidden: hidden, lambda hidden: hidden * HIDDEN_FAR])
def test_a_mask_of_queries_and_keys_is_no_padding_where_sentences_are_as_many_as_tokens(make):
    ids, hidden = torch.arange(1, 26).reshape(5, 5), torch.ones(5, 5).triu(1)
    assert {len(row) for row in describe((ids, make(hidden))).source.ids} == {5}
    padded = ids.masked_fill(hidden.bool(), 0)  # sentences of 1, 2, 3, 4 and 5 words
    found = describe((padded, make(hidden))).source.ids
    assert [len(row) for row in found] == [1, 2, 3, 4, 5]


def test_a_batch_without_ids_has_nameless_sentences():
    tokens = describe_any({"series": torch.randn(4, 10), "label": torch.zeros(4)})
    assert len(tokens) == 4
    assert not tokens.source.named
