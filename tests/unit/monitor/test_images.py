import numpy as np
import pytest
import torch

from attn_monitor.core.errors import TokenLengthError
from attn_monitor.core.nouns import Tokens
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.images import patch_image, with_images


def pixels(image):
    shape = (image.rows * image.side, image.columns * image.side, image.channels)
    return np.frombuffer(image.pixels, dtype=np.uint8).reshape(shape)


def test_bytes_are_kept_as_they_are():
    image = torch.arange(32, dtype=torch.uint8).reshape(4, 8)
    found = patch_image(image, 8)
    assert (found.rows, found.columns, found.side, found.channels) == (2, 4, 2, 1)
    np.testing.assert_array_equal(pixels(found)[..., 0], image.numpy())


def test_floats_are_shown_from_their_smallest_to_their_largest():
    found = patch_image(torch.tensor([[-1.0, 0.0], [1.0, 3.0]]), 4)
    np.testing.assert_array_equal(pixels(found)[..., 0], [[0, 64], [128, 255]])


def test_an_image_of_one_brightness_is_black():
    assert set(patch_image(torch.full((4, 4), 7.0), 4).pixels) == {0}


def test_colours_stay_with_their_pixel():
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    image[:, 0, 1] = torch.tensor([255, 10, 20])
    assert pixels(patch_image(image, 4))[0, 1].tolist() == [255, 10, 20]


def test_large_patches_are_shrunk_by_their_mean():
    image = torch.randint(0, 256, (64, 96), dtype=torch.uint8)
    found = patch_image(image, 6)
    assert (found.rows, found.columns, found.side) == (2, 3, 16)
    means = image.float().reshape(32, 2, 48, 2).mean(dim=(1, 3)).round().numpy()
    np.testing.assert_array_equal(pixels(found)[..., 0], means)


def test_an_edge_that_no_patch_covers_is_cut_off():
    # A convolution of stride 4 reads 2 x 2 patches of a 9 x 9 image.
    image = torch.arange(81, dtype=torch.uint8).reshape(9, 9)
    np.testing.assert_array_equal(pixels(patch_image(image, 4))[..., 0], image[:8, :8].numpy())


@pytest.mark.parametrize(
    ("shape", "patches"), [((8, 8), 15), ((2, 8, 8), 16), ((8, 8), 0), ((8, 8), 65)]
)
def test_an_image_that_does_not_fit_its_tokens_is_refused(shape, patches):
    message = rf"an image of shape \[.*\] cannot be cut into {patches} square patches"
    with pytest.raises(TokenLengthError, match=message):
        patch_image(torch.zeros(shape), patches)


def test_special_tokens_have_no_patch():
    tokens = Tokens(text=("[CLS]", "a", "b", "c", "d"), special=(0,))
    [found] = with_images([tokens], lambda batch: batch, torch.zeros(1, 4, 4), Failures())
    assert found.text == tokens.text
    assert found.special == tokens.special
    assert found.image is not None
    assert found.image.rows * found.image.columns == 4


def test_a_problem_with_images_is_reported_once_and_leaves_the_names():
    failures = Failures()
    tokens = Tokens(text=("a", "b", "c"))
    with pytest.warns(AttentionMonitorWarning, match="cutting images into patches: TokenLength"):
        found = with_images([tokens], lambda batch: batch, torch.zeros(1, 4, 4), failures)
    assert found == (tokens,)
    assert failures.count == 1


def test_without_images_tokens_stay_as_they_are():
    tokens = (Tokens(text=("a",)),)
    assert with_images(tokens, None, None, Failures()) == tokens
