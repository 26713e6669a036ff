from attn_monitor.figures.text import drawable, sentence


def test_known_letters_stay_and_missing_ones_become_squares():
    assert drawable("\u0120caf\u00e9 $x$") == "\u0120caf\u00e9 $x$"
    assert drawable("\u65e5a\n") == "\u25a1a\u25a1"


def test_a_short_sentence_is_written_in_full():
    assert sentence(["a", "b"], longest=3) == "a b"


def test_a_long_sentence_loses_its_middle():
    shown = sentence(["word"] * 50, longest=20)
    assert len(shown) <= 20
    assert shown == "word wor \u2026 ord word"
