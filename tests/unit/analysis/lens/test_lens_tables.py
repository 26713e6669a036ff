from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_maps import random_attention

from attn_monitor.analysis.lens import head_lens, sample_tokens
from attn_monitor.analysis.lens.clusters import cluster_vectors
from attn_monitor.analysis.lens.compare import (
    attention_mass,
    centroid_products,
    lift,
    row_centred,
)
from attn_monitor.analysis.lens.profile import profile_clusters
from attn_monitor.analysis.lens.taggers import LEXICON
from attn_monitor.analysis.lens.tags import TAGS
from attn_monitor.core.nouns import Tokens

SEEDS = st.integers(0, 500)
SENTENCES = [
    Tokens(text=("[CLS]", "the", "dog", "runs", "[SEP]"), special=(0, 4)),
    Tokens(text=("[CLS]", "the", "old", "dog", ".", "[SEP]"), special=(0, 5)),
]
SAMPLE = sample_tokens(SENTENCES, tagger=LEXICON)


def vectors(seed, tokens=11, d_head=4):
    return np.random.default_rng(seed).normal(size=(tokens, d_head))


def softmax_of_centroid_scores(products):
    weights = np.exp(products - products.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=10)
@given(SEEDS)
def test_products_are_inner_products_of_centroids(seed):
    queries, keys = cluster_vectors(vectors(seed), k=3), cluster_vectors(vectors(seed + 1), k=4)
    products = centroid_products(queries, keys)
    for a in range(3):
        for b in range(4):
            expected = sum(queries.centroids[a] * keys.centroids[b])
            assert products[a, b] == pytest.approx(expected)


@settings(max_examples=10)
@given(SEEDS)
def test_centring_rows_changes_nothing_that_softmax_can_see(seed):
    products = vectors(seed, 4, 5)
    centred = row_centred(products)
    np.testing.assert_allclose(centred.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(
        softmax_of_centroid_scores(centred), softmax_of_centroid_scores(products)
    )


@settings(max_examples=10)
@given(SEEDS)
def test_a_shift_of_all_keys_moves_raw_rows_and_leaves_centred_ones(seed):
    queries = cluster_vectors(vectors(seed), k=3)
    keys = vectors(seed + 1)
    shift = np.arange(4.0)
    before, after = cluster_vectors(keys, k=3), cluster_vectors(keys + shift, k=3)
    if np.array_equal(before.labels, after.labels):
        np.testing.assert_allclose(
            row_centred(centroid_products(queries, after)),
            row_centred(centroid_products(queries, before)),
            atol=1e-9,
        )


def test_mass_agrees_with_a_slow_loop_and_its_rows_sum_to_1():
    attn = [random_attention(0, 5, 5), random_attention(1, 6, 6)]
    queries, keys = cluster_vectors(vectors(0), k=3), cluster_vectors(vectors(1), k=4)
    found = attention_mass(attn, queries, keys)
    expected = np.zeros((3, 4))
    for start, one in zip((0, 5), attn, strict=True):
        for i, row in enumerate(one):
            for j, weight in enumerate(row):
                expected[queries.labels[start + i], keys.labels[start + j]] += weight
    expected /= np.bincount(queries.labels)[:, None]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_mass_of_one_sentence_at_a_time_adds_up_to_mass_of_all():
    attn = [random_attention(0, 5, 5), random_attention(1, 6, 6)]
    queries, keys = cluster_vectors(vectors(0), k=3), cluster_vectors(vectors(1), k=4)
    whole = attention_mass(attn, queries, keys)
    parts = np.zeros_like(whole)
    for tokens, one in ((slice(0, 5), attn[0]), (slice(5, 11), attn[1])):
        rows = replace(queries, labels=queries.labels[tokens])
        columns = replace(keys, labels=keys.labels[tokens])
        share = np.bincount(rows.labels, minlength=3) / np.bincount(queries.labels)
        parts += np.nan_to_num(attention_mass([one], rows, columns)) * share[:, None]
    np.testing.assert_allclose(parts, whole)


def test_an_even_spread_has_lift_1_everywhere():
    attn = [np.full((11, 11), 1 / 11)]
    queries, keys = cluster_vectors(vectors(0), k=3), cluster_vectors(vectors(1), k=4)
    np.testing.assert_allclose(lift(attention_mass(attn, queries, keys), keys), 1)


def test_maps_of_other_sentences_are_refused():
    clusters = cluster_vectors(vectors(0), k=2)
    with pytest.raises(ValueError, match="the maps have 5 queries and 5 keys, the clusters 11 and"):
        attention_mass([np.eye(5)], clusters, clusters)


def test_a_profile_counts_tags_places_and_words():
    labels = np.array([0, 1, 1, 2, 0, 0, 1, 1, 1, 2, 0])
    found = profile_clusters(labels, SAMPLE, k=4, places=2, words=2)
    assert found.size.tolist() == [4, 5, 2, 0]
    assert found.tags[0, TAGS.index("SOS")] == 0.5
    assert found.tags[1, TAGS.index("DET")] == pytest.approx(2 / 5)
    np.testing.assert_allclose(found.tags.sum(axis=1), [1, 1, 1, 0])
    np.testing.assert_allclose(found.places[0], [0.5, 0.5])
    words = [[(word.text, word.count, word.tag) for word in row] for row in found.words]
    assert words[1] == [("dog", 2, "NOUN"), ("the", 2, "DET")]
    assert words[3] == []
    assert found.base_tags.sum() == pytest.approx(1)
    assert found.base_places.sum() == pytest.approx(1)


def test_a_profile_of_other_tokens_is_refused():
    with pytest.raises(ValueError, match="3 clustered tokens, 11 tokens in the sample"):
        profile_clusters(np.zeros(3, int), SAMPLE, k=1)


def test_a_lens_holds_all_tables_and_describes_both_sides():
    attn = [random_attention(0, 5, 5), random_attention(1, 6, 6)]
    found = head_lens(
        vectors(0),
        vectors(1),
        query_tokens=SAMPLE,
        key_tokens=SAMPLE,
        values=vectors(2),
        attn=attn,
        k=3,
    )
    assert found.products.shape == found.centred.shape == (3, 3)
    np.testing.assert_allclose(found.mass.sum(axis=1), 1)
    assert found.values is not None
    assert found.d_head == 4
    assert found.tagger == "built-in word lists (English)"
    mean_place = [SAMPLE.place[found.keys.clusters.labels == c].mean() for c in range(3)]
    assert mean_place == sorted(mean_place)
    words = {word.text for row in found.queries.profile.words for word in row}
    assert words == {"[cls]", "the", "old", "dog", "runs", ".", "[sep]"}


def test_an_encoder_decoder_head_has_two_vocabularies():
    french = sample_tokens(
        [Tokens(text=("nous", "courons")), Tokens(text=("vous", "dormez"))], tagger=LEXICON
    )
    attn = [random_attention(0, 2, 5), random_attention(1, 2, 6)]
    found = head_lens(
        vectors(0, tokens=4), vectors(1), query_tokens=french, key_tokens=SAMPLE, attn=attn, k=2
    )
    queries = {word.text for row in found.queries.profile.words for word in row}
    keys = {word.text for row in found.keys.profile.words for word in row}
    assert queries == {"nous", "courons", "vous", "dormez"}
    assert "dog" in keys
    assert not queries & keys
    assert found.tagger == LEXICON.name


def test_a_lens_says_who_tagged_each_of_its_two_languages():
    french = sample_tokens([Tokens(text=("nous", "courons")), Tokens(text=("vous", "dormez"))])
    found = head_lens(vectors(0, tokens=4), vectors(1), query_tokens=french, key_tokens=SAMPLE, k=2)
    assert found.tagger == "French function words; keys: built-in word lists (English)"


def test_the_next_step_keeps_the_numbers_of_the_lens_before():
    first = head_lens(
        vectors(0), vectors(1), query_tokens=SAMPLE, key_tokens=SAMPLE, values=vectors(2), k=3
    )
    second = head_lens(
        vectors(0) + 0.01,
        vectors(1) * 1.01,
        query_tokens=SAMPLE,
        key_tokens=SAMPLE,
        values=vectors(2),
        k=3,
        seed=7,
        before=first,
    )
    for before, now in (
        (first.queries, second.queries),
        (first.keys, second.keys),
        (first.values, second.values),
    ):
        assert now.clusters.kept == 1
        np.testing.assert_array_equal(now.clusters.labels, before.clusters.labels)
    assert first.mass is None
    assert first.lift is None
