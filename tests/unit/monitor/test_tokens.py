import pytest

from attn_monitor.core.errors import ConfigurationError, TokenLengthError
from attn_monitor.monitor.tokens import check_token_source, padding_id, spell


class HuggingFaceLike:
    all_special_ids = [0, 2, 7]
    pad_token_id = 0
    unk_token_id = 7

    def convert_ids_to_tokens(self, ids):
        return [f"w{i}" for i in ids]


class RustLike:
    def id_to_token(self, token_id):
        return {1: "one", 2: "[SEP]"}.get(token_id)


def test_a_hugging_face_tokenizer_names_its_special_tokens():
    tokens = spell((2, 5, 7), HuggingFaceLike())
    assert tokens.text == ("w2", "w5", "w7")
    assert tokens.special == (0,)
    assert padding_id(HuggingFaceLike()) == 0


def test_a_rust_tokenizer_spells_ids_and_unknown_ones_stay_numbers():
    tokens = spell((1, 2, 9), RustLike())
    assert tokens.text == ("one", "[SEP]", "9")
    assert tokens.special == (1,)


def test_without_a_tokenizer_ids_are_shown_as_numbers():
    assert spell((3, 4), None).text == ("3", "4")


def test_strings_are_taken_as_they_are_and_brackets_mean_special():
    tokens = spell(("[CLS]", "hello", "<pad>", "<b>hi", "[UNK]", "<|endoftext|>"), None)
    assert tokens.special == (0, 2, 5)


def test_a_callable_that_returns_another_number_of_strings_is_refused():
    with pytest.raises(TokenLengthError, match="returned 1 strings for 2 ids"):
        spell((1, 2), lambda _: ["only one"])


def test_hostile_tokens_pass_through_as_text():
    hostile = ("<img src=x onerror=alert(1)>", "\u202eabc", "", "x" * 10_000)
    assert spell(hostile, None).text == hostile


def test_a_token_source_that_cannot_spell_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="tokens=42 is neither a tokenizer"):
        check_token_source(42)


class Vocab:
    def __call__(self, tokens):
        return [0 for _ in tokens]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (Vocab(), "returns int 0 among its strings"),
        (lambda ids: " ".join(map(str, ids)), "returns one string for a list of ids"),
        (lambda _: 3, "returns int 3"),
    ],
)
def test_what_is_no_way_from_ids_to_strings_is_refused(source, named):
    with pytest.raises(ConfigurationError, match=named):
        check_token_source(source)


def test_a_callable_that_shows_only_later_what_it_returns_is_refused_then():
    def strict(ids):
        return {7: "seven"}[ids[0]]

    check_token_source(strict)
    with pytest.raises(TokenLengthError, match="returns one string"):
        spell((7, 7), strict)


def test_padding_that_ends_or_begins_texts_is_not_told_by_its_id():
    class Gpt(HuggingFaceLike):
        eos_token_id = bos_token_id = pad_token_id = 2

    assert padding_id(Gpt()) is None
