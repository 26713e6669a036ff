import numpy as np
import pytest

from attn_monitor.figures import colour


def lightness(pixels):
    """Return OKLab lightness of sRGB bytes (Ottosson 2020), written out independently."""
    c = np.asarray(pixels) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    red, green, blue = np.moveaxis(c, -1, 0)
    long = np.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = np.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = np.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short


@pytest.mark.parametrize("head", [None, *range(16)])
def test_lightness_is_weight_equally_for_every_head(head):
    expected = np.linspace(0.985, 0.385, 256)
    np.testing.assert_allclose(lightness(colour.ramp(head)), expected, atol=0.012)


def test_hues_repeat_after_sixteen_heads():
    assert colour.head_colour(17) == colour.head_colour(1) == "#920d03"
    assert len(set(colour.HEAD_HUES)) == 16


def test_the_scale_is_a_square_root_with_a_fixed_domain():
    painted = colour.paint(np.array([[0.0, 0.25, 1.0, 3.0]]), head=3)[0]
    np.testing.assert_array_equal(painted, colour.ramp(3)[[0, 128, 255, 255]])


def test_a_broken_weight_is_painted_in_the_warning_colour():
    assert colour.paint(np.array([[np.nan]]), head=0)[0, 0].tolist() == [0xD9, 0x8B, 0x1F]


def test_signed_values_run_from_blue_over_paper_to_red():
    low, middle, high = colour.paint_signed(np.array([[-2.0, 0, 2]]), largest=2.0)[0].tolist()
    assert low[2] > low[0] + 80
    assert min(middle) > 245
    assert high[0] > high[2] + 80


def test_signed_zeros_alone_are_paper():
    assert colour.paint_signed(np.zeros((1, 1)), largest=0.0).min() > 245


def test_the_cached_colours_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        colour.ramp(0)[0] = 0


def test_a_badge_is_a_pale_tint_of_its_head():
    tint = [int(colour.head_tint(4)[place : place + 2], 16) for place in (1, 3, 5)]
    assert lightness(tint) == pytest.approx(0.92, abs=0.01)
