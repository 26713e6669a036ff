import numpy as np
import pytest
from pixels import images, pixels, texts
from sample_maps import random_attention

from attn_monitor.analysis.lens import head_lens, sample_tokens
from attn_monitor.analysis.lens.taggers import LEXICON
from attn_monitor.core.nouns import Tokens
from attn_monitor.figures import colour, lens_sheet

SENTENCES = [Tokens(text=("[CLS]", "the", "dog", "runs", "[SEP]"), special=(0, 4))] * 4
SAMPLE = sample_tokens(SENTENCES, tagger=LEXICON)


@pytest.fixture(scope="module")
def lens():
    vectors = 3 * np.eye(5)[np.tile(np.arange(5), 4)]
    attn = [random_attention(seed, 5, 5) for seed in range(4)]
    return head_lens(
        vectors, vectors[:, ::-1], query_tokens=SAMPLE, key_tokens=SAMPLE, attn=attn, k=5
    )


@pytest.mark.parametrize("table", ["products", "centred", "mass", "lift"])
def test_the_first_picture_is_the_chosen_table_red_high_and_blue_low(lens, table):
    values = getattr(lens, table)
    expected = colour.paint_signed(values, largest=np.abs(values).max())
    drawn = images(lens_sheet(lens, title="lens", table=table))[0].get_array()
    np.testing.assert_array_equal(drawn, expected)


def test_the_default_cell_is_the_highest_between_clusters_of_words(lens):
    written = texts(lens_sheet(lens, title="lens"))
    query = next(text for text in written if text.startswith("Query cluster "))
    key = next(text for text in written if text.startswith("Key cluster "))
    assert query not in {"Query cluster 1", "Query cluster 5"}
    assert key not in {"Key cluster 1", "Key cluster 5"}


def test_a_chosen_cell_names_its_clusters_and_their_words(lens):
    written = texts(lens_sheet(lens, title="lens", cell=(1, 2)))
    assert {"Query cluster 2", "Key cluster 3", "the", "dog", "100 %"} <= set(written)


def test_only_parts_of_speech_that_occur_are_in_the_legend(lens):
    written = set(texts(lens_sheet(lens, title="lens")))
    assert {"SOS", "DET", "NOUN", "EOS"} <= written
    assert "ADV" not in written


def test_the_sheet_says_who_tagged_the_words(lens):
    assert any(LEXICON.name in text for text in texts(lens_sheet(lens, title="lens")))


def test_a_table_that_was_not_made_is_refused_with_the_way_to_make_it():
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    bare = head_lens(vectors, vectors, query_tokens=SAMPLE, key_tokens=SAMPLE, k=2)
    with pytest.raises(ValueError, match="no table 'mass': pass attn= to head_lens"):
        lens_sheet(bare, title="lens", table="mass")


def test_a_lens_of_sentence_ends_only_still_has_a_cell():
    ends = sample_tokens([Tokens(text=("[CLS]", "[SEP]"), special=(0, 1))] * 3, tagger=LEXICON)
    vectors = np.random.default_rng(0).normal(size=(6, 3))
    sheet = lens_sheet(
        head_lens(vectors, vectors, query_tokens=ends, key_tokens=ends, k=2), title="ends"
    )
    assert pixels(sheet).min() < 100
