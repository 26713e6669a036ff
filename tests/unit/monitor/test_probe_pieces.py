"""What follows from the places of a sentence in a record."""

import numpy as np
import torch

from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import ModelWeights
from attn_monitor.core.nouns import Layer, Part, Probe, Tokens
from attn_monitor.monitor.probe_pieces import Piece
from attn_monitor.monitor.view import Stack, View

SENTENCES, HEADS, GROUPS, TOKENS, WIDTH = 3, 4, 2, 5, 6


def record():
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(SENTENCES, HEADS, TOKENS, TOKENS, generator=generator).softmax(-1)
    query = torch.rand(SENTENCES, HEADS, TOKENS, WIDTH, generator=generator)
    shared = torch.rand(SENTENCES, GROUPS, TOKENS, WIDTH, generator=generator)
    return Record(
        module="layer",
        module_type="Layer",
        call=0,
        source="sdpa",
        kind="self",
        heads=HEADS,
        windows=1,
        query=query,
        key=shared,
        value=2 * shared,
        rule=ModelWeights(tensor=weights),
        evidence="model",
        error=0.0,
    )


def view(matrices, queries, keys, seen=None):
    seen = seen or record()
    layer = Layer(name="layer", heads=HEADS, evidence="model", error=0.0)
    part = Part(name="encoder", kind="self", causal=False, layers=(layer,))
    words = tuple(map(str, range(len(keys))))
    piece = Piece(
        part="encoder",
        layer=0,
        first_head=0,
        probe=0,
        matrices=matrices,
        queries=queries,
        keys=keys,
        shape=seen.shape,
    )
    probe = Probe(index=0, split="val", source=Tokens(text=words))
    return View(seen, part, probe, piece, None, Stack(seen))


def test_maps_and_vectors_are_those_of_the_heads_and_tokens_in_their_order():
    seen = record()
    weights = seen.rule.tensor.reshape(-1, TOKENS, TOKENS).numpy()
    for matrices in ((4, 5, 6, 7), (7, 5), (2, 4, 11)):
        for queries, keys in (((0, 1, 2), (0, 1, 2)), ((1, 2, 4), (0, 3, 4))):
            shown = view(matrices, queries, keys, seen)
            expected = weights[np.ix_(matrices, queries, keys)]
            np.testing.assert_array_equal(shown.maps().attn, expected)
            query, key, value = shown.vectors()
            for at, matrix in enumerate(matrices):
                sentence, head = divmod(matrix, HEADS)
                group = head // (HEADS // GROUPS)
                for found, given, head_of, tokens in (
                    (query, seen.query, head, queries),
                    (key, seen.key, group, keys),
                    (value, seen.value, group, keys),
                ):
                    np.testing.assert_array_equal(
                        found[at], given[sentence, head_of].numpy()[list(tokens)]
                    )


def test_nan_is_told_of_the_sentence_that_has_it():
    seen = record()
    seen.rule.tensor[1, 2, 3] = torch.nan
    everything = tuple(range(TOKENS))
    for sentence, expected in ((0, False), (1, True), (2, False)):
        shown = view(tuple(range(4 * sentence, 4 * sentence + 4)), everything, everything, seen)
        assert shown.stack.undefined(shown.maps()) is expected
    cropped = view((4, 5, 6, 7), (0, 1, 2), everything, seen)
    assert not cropped.stack.undefined(cropped.maps())
