import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.core.errors import BatchNotUnderstoodError
from attn_monitor.monitor.batches import describe

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
    mask = torch.tensor([[True, True, False, False], [True, True, True, False]])
    assert describe((IDS, mask, LABELS)).source.ids == ((5, 6), (8, 9, 0))


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
