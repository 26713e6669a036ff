import importlib.util

import nltk
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tag import PerceptronTagger

from attn_monitor.analysis.lens.closed_classes import CLASSES, FUNCTION_WORDS
from attn_monitor.analysis.lens.language import recognise
from attn_monitor.analysis.lens.lexicon import tag_with_lexicon
from attn_monitor.analysis.lens.pieces import join_pieces
from attn_monitor.analysis.lens.sample import sample_tokens
from attn_monitor.analysis.lens.taggers import (
    LEXICON,
    best_tagger,
    nltk_tagger,
    tagger_for,
    textblob_tagger,
)
from attn_monitor.analysis.lens.tags import TAGS, from_penn
from attn_monitor.core.nouns import Tokens

THE_FOX = "The quick brown fox jumped over the lazy dog ."
FOX_PENN = "DT JJ JJ NN VBD IN DT JJ NN ."
FOX_TAGS = "DET ADJ ADJ NOUN VERB ADP DET ADJ NOUN PUNCT"
TWEET = "@airline I want to rebook my flight to Boston , not 2 bags !"
TWEET_TAGS = "PROPN PRON VERB PART VERB PRON NOUN PART PROPN PUNCT PART NUM NOUN PUNCT"


TEXTBLOB_LEAVES_FILES_OPEN = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


def words(text):
    return text.split()


FOX = words(THE_FOX)


@pytest.mark.parametrize(
    ("tokens", "special", "words", "owners"),
    [
        (["[CLS]", "play", "##ing", "!", "[SEP]"], (0, 4), ("playing", "!"), (-1, 0, 0, 1, -1)),
        (
            ["Hel", "lo", ",", "\u0120wor", "ld", "."],
            (),
            ("Hello", ",", "world", "."),
            (0, 0, 1, 2, 2, 3),
        ),
        (["\u2581Bon", "jour", "\u2581!"], (), ("Bonjour", "!"), (0, 0, 1)),
        (["wo", "rd</w>", "end</w>", ".</w>"], (), ("word", "end", "."), (0, 0, 1, 2)),
        (["plain", "words", "."], (), ("plain", "words", "."), (0, 1, 2)),
        (["##ing", "##"], (), ("ing", "##"), (0, 1)),
        (["a", "[MASK]", "##b"], (1,), ("a", "b"), (0, -1, 1)),
        ([], (), (), ()),
    ],
)
def test_pieces_join_into_words(tokens, special, words, owners):
    joined = join_pieces(tokens, special=special)
    assert joined.text == words
    assert joined.of_token == owners


@given(st.lists(st.text(max_size=4), max_size=6))
def test_every_token_gets_a_word_whatever_the_tokens(tokens):
    joined = join_pieces(tokens)
    assert len(joined.of_token) == len(tokens)
    assert set(joined.of_token) == set(range(len(joined.text)))


@pytest.mark.parametrize(
    ("word", "penn", "universal"),
    [
        ("dog", "NN", "NOUN"),
        ("dogs", "NNS", "NOUN"),
        ("Ann", "NNP", "PROPN"),
        ("is", "VBZ", "AUX"),
        ("ran", "VBD", "VERB"),
        ("must", "MD", "AUX"),
        ("if", "IN", "SCONJ"),
        ("of", "IN", "ADP"),
        ("not", "RB", "PART"),
        ("who", "WP", "PRON"),
        ("better", "JJR", "ADJ"),
        (",", ",", "PUNCT"),
        ("$", "$", "SYM"),
        ("word", "???", "X"),
    ],
)
def test_penn_tags_become_universal_ones(word, penn, universal):
    assert from_penn(word, penn) == universal


def test_there_are_17_universal_tags_and_both_ends_of_the_sentence():
    assert len(set(TAGS)) == 19
    assert TAGS[-2:] == ("SOS", "EOS")


def test_word_lists_and_endings_tag_everyday_sentences():
    assert tag_with_lexicon(FOX) == words(FOX_TAGS)
    tweet = words(TWEET)
    assert tag_with_lexicon(tweet) == words(TWEET_TAGS)


def test_a_verb_after_an_article_is_a_noun():
    assert tag_with_lexicon(["the", "work"]) == ["DET", "NOUN"]
    assert tag_with_lexicon(["to", "work"]) == ["PART", "VERB"]


@given(st.lists(st.text(max_size=6), max_size=6))
def test_the_word_lists_always_answer(words):
    assert len(tag_with_lexicon(words)) == len(words)


@pytest.fixture
def _nltk_data(tmp_path, monkeypatch):
    """Lay a small English tagger, trained here, where NLTK looks for its own."""
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    tagger = PerceptronTagger(load=False)
    sentence = list(zip(FOX, words(FOX_PENN), strict=True))
    tagger.train([sentence] * 5, nr_iter=5)
    folder = tmp_path / "taggers" / "averaged_perceptron_tagger_eng"
    tagger.save_to_json(lang="eng", loc=str(folder))


@pytest.mark.usefixtures("_nltk_data")
def test_nltk_speaks_where_its_data_are():
    speaker = nltk_tagger()
    assert speaker is not None
    assert speaker.name == "NLTK averaged perceptron (English)"
    assert speaker.tag(FOX)[:5] == ["DET", "ADJ", "ADJ", "NOUN", "VERB"]


@TEXTBLOB_LEAVES_FILES_OPEN
def test_without_data_and_without_network_the_chain_still_answers(monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [])
    best_tagger.cache_clear()
    assert nltk_tagger() is None
    speaker = best_tagger()
    installed = importlib.util.find_spec("textblob") is not None
    assert speaker.name == (
        "TextBlob pattern tagger (English)" if installed else "built-in word lists (English)"
    )
    assert list(speaker.tag(["the", "dog"])) == ["DET", "NOUN"]
    best_tagger.cache_clear()


@TEXTBLOB_LEAVES_FILES_OPEN
def test_textblob_tags_word_by_word_where_it_is_installed():
    pytest.importorskip("textblob", reason="TextBlob is optional")
    speaker = textblob_tagger()
    assert speaker is not None
    assert list(speaker.tag(["the", "dog", "is", "here"])) == ["DET", "NOUN", "AUX", "ADV"]
    assert len(speaker.tag(["two words", "", "three"])) == 3


def test_pieces_carry_the_word_its_tag_and_their_own_place():
    sentences = [
        Tokens(text=("[CLS]", "the", "play", "##er", ".", "[SEP]"), special=(0, 5)),
        Tokens(text=("dogs",)),
    ]
    sample = sample_tokens(sentences, tagger=LEXICON)
    assert sample.words == ("[CLS]", "the", "player", "player", ".", "[SEP]", "dogs")
    assert [TAGS[tag] for tag in sample.tags] == (
        ["SOS", "DET", "NOUN", "NOUN", "PUNCT", "EOS", "NOUN"]
    )
    np.testing.assert_allclose(sample.place, [0, 0.2, 0.4, 0.6, 0.8, 1, 0])
    assert sample.sentence.tolist() == [0] * 6 + [1]
    assert sample.tagger == "built-in word lists (English)"


FRENCH = "Impossible de supprimer les 3 fichiers de la corbeille , ils sont ouverts ."
FRENCH_TAGS = "X ADP X DET NUM X ADP DET X PUNCT PRON AUX X PUNCT"


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        (THE_FOX, "English"),
        ("Could not delete the selected files", "English"),
        (FRENCH, "French"),
        ("Le fichier n ' est pas dans la liste", "French"),
        ("Die Datei konnte nicht in den Ordner kopiert werden", "German"),
        ("No se puede abrir el archivo de la lista", "Spanish"),
        ("def strongest run_dir metric : return curve", None),
        ("r0c1 r0c2 r1c1", None),
        ("\u6587\u4ef6 \u4e0d \u5b58\u5728", None),
        (". , 12 !", None),
        ("", None),
    ],
)
def test_a_language_is_told_by_its_function_words(sentence, language):
    assert recognise(words(sentence)) == language


def test_a_function_word_has_one_part_of_speech_in_its_language():
    for language, known in FUNCTION_WORDS.items():
        listed = words(" ".join(CLASSES[language].values()))
        assert len(listed) == len(known)
        assert all(word == word.lower() for word in listed)


def test_french_content_words_stay_untagged_instead_of_becoming_english_nouns():
    speaker = tagger_for(words(FRENCH))
    assert speaker.name == "French function words"
    assert list(speaker.tag(words(FRENCH))) == words(FRENCH_TAGS)
    assert "NOUN" in tag_with_lexicon(words(FRENCH))  # what was said of them before


def test_words_of_no_known_language_are_untagged_but_for_numbers_and_punctuation():
    speaker = tagger_for(["patch", "3"])
    assert speaker.name == "no one (unknown language)"
    assert list(speaker.tag(["patch", "3", "!", "the"])) == ["X", "NUM", "PUNCT", "X"]


def test_the_language_is_asked_of_all_sentences_together():
    shouts = Tokens(text=("Stop", "!"))
    sample = sample_tokens([shouts, Tokens(text=tuple(words(FRENCH)))])
    assert sample.tagger == "French function words"
    assert [TAGS[tag] for tag in sample.tags[:2]] == ["X", "PUNCT"]
    assert sample_tokens([shouts], tagger=LEXICON).tagger == LEXICON.name


def test_special_tokens_inside_a_sentence_are_neither_its_start_nor_its_end():
    tokens = Tokens(text=("<s>", "a", "<mask>", "b", "</s>", "<pad>"), special=(0, 2, 4, 5))
    sample = sample_tokens([tokens], tagger=LEXICON)
    assert [TAGS[tag] for tag in sample.tags][::2] == ["SOS", "X", "EOS"]
    only = sample_tokens([Tokens(text=("<s>",), special=(0,))], tagger=LEXICON)
    assert TAGS[only.tags[0]] == "SOS"
