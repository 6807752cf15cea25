"""What views do to images, within which limits, and with which random numbers."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from sslfast.data.augment import Stream
from sslfast.data.views import LUMA, Views, _resampled, _resampling
from sslfast.errors import ConfigError

NOTHING = {"crop": 1, "flip": 0, "jitter": 0, "grey": 0}
LUMA = np.array(LUMA)


def stream(seed=0, *names) -> Stream:
    result = Stream("test")
    result.restart(seed, *names)
    return result


def only(**strengths) -> Views:
    """Views that do nothing but this."""
    colours = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0)
    return Views(**{**NOTHING, **colours, **strengths})


@st.composite
def images(draw, channels=(1, 3), lowest=0.0, highest=1.0) -> torch.Tensor:
    """Images of any shape, square or not, as a loader gives them (channels-last) or not."""
    shape = [
        draw(st.integers(1, 8)),
        draw(st.sampled_from(channels)),
        draw(st.integers(2, 13)),
        draw(st.integers(2, 13)),
    ]
    x = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 2**31))))
    layout = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    return (lowest + (highest - lowest) * x).contiguous(memory_format=layout)


def pairs(x, views):
    """Each image with each of its views, float64 `[C, H, W]`."""
    for image, some in zip(x.double().numpy(), views.double().numpy(), strict=True):
        yield from ((image, view) for view in some)


@given(x=images(), n=st.integers(1, 3), seed=st.integers(0, 2**31))
def test_views_are_images_of_the_same_shape_with_values_from_0_to_1(x, n, seed):
    before = x.clone()
    views = Views()(x, stream(seed), n)
    assert views.shape == (len(x), n, *x.shape[1:])
    assert views.dtype == torch.float32
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1
    assert torch.equal(x, before)


@given(x=images(), seed=st.integers(0, 2**31))
def test_without_any_strength_a_view_is_the_image_bit_for_bit(x, seed):
    for view in Views(**NOTHING)(x, stream(seed)).unbind(1):
        assert torch.equal(view, x)


@given(x=images(), seed=st.integers(0, 2**31), p=st.sampled_from([0.5, 1]))
def test_a_view_of_the_whole_image_is_itself_or_exactly_its_mirror_image(x, seed, p):
    views = only(flip=p)(x, stream(seed))
    for image, view in zip(x.repeat_interleave(2, 0), views.flatten(0, 1), strict=True):
        assert torch.equal(view, image.flip(-1)) or (p < 1 and torch.equal(view, image))


def test_about_the_given_share_of_views_is_mirrored_each_on_its_own():
    x = torch.rand(2000, 1, 2, 3)
    mirrored = (only(flip=0.3)(x, stream()) == x.flip(-1)[:, None]).flatten(2).all(2).float()
    assert mirrored.mean() == pytest.approx(0.3, abs=0.03)
    assert torch.corrcoef(mirrored.T)[0, 1].abs() < 0.1


@given(x=images(), seed=st.integers(0, 2**31))
def test_parts_are_what_grid_sample_takes(x, seed):
    generator = torch.Generator().manual_seed(seed)
    left, width, top, height = torch.rand(4, len(x), 2, generator=generator)
    mirrored = torch.rand(len(x), 2, generator=generator) < 0.5
    ours = _resampled(
        x, _resampling(top, height, x.shape[2]), _resampling(left, width, x.shape[3], mirrored)
    )  # fmt: skip
    theta = torch.zeros(len(x), 2, 2, 3)
    theta[..., 0, 0], theta[..., 0, 2] = width * torch.where(mirrored, -1, 1), (2 * left - 1) * (1 - width)
    theta[..., 1, 1], theta[..., 1, 2] = height, (2 * top - 1) * (1 - height)
    grid = F.affine_grid(theta.flatten(0, 1), [2 * len(x), *x.shape[1:]], align_corners=False)
    theirs = F.grid_sample(x.repeat_interleave(2, 0), grid, align_corners=False, padding_mode="border")
    assert torch.allclose(ours.flatten(0, 1), theirs, atol=1e-5)


@given(crop=st.floats(0.05, 1), seed=st.integers(0, 2**31))
def test_parts_have_the_areas_and_sides_that_are_allowed_and_lie_within_the_image(crop, seed):
    """In an image whose values are its coordinates, steps between pixels tell sides, and middles tell places."""
    size = 16
    middles = (torch.arange(size) + 0.5) / size
    across = middles.expand(200, 1, size, size)
    draws = only(crop=crop)
    left, right = (draws(across, stream(seed))[:, :, 0, 0, i] for i in (7, 8))
    top, bottom = (draws(across.mT, stream(seed))[:, :, 0, i, 0] for i in (7, 8))
    width, height = size * (right - left), size * (bottom - top)
    area, ratio = width * height, width / height
    assert crop - 1e-4 <= float(area.min())
    assert float(area.max()) <= 1 + 1e-4
    assert float(ratio.min()) >= 0.75 - 1e-3
    assert float(ratio.max()) <= 4 / 3 + 1e-3
    for side, middle in ((width, (left + right) / 2), (height, (top + bottom) / 2)):
        assert float((middle - side / 2).min()) >= -1e-4
        assert float((middle + side / 2).max()) <= 1 + 1e-4
    if crop < 0.9:
        assert area.std() > (1 - crop) / 5  # all areas, not one


@given(x=images(lowest=0.1, highest=0.6), seed=st.integers(0, 2**31))
def test_brightness_multiplies_all_values_of_a_view_by_one_factor(x, seed):
    for image, view in pairs(x, only(jitter=1, brightness=0.4)(x, stream(seed))):
        factor = (view / image).mean()
        assert 0.6 - 1e-5 <= factor <= 1.4 + 1e-5
        np.testing.assert_allclose(view, factor * image, atol=1e-5)


@given(x=images(lowest=0.3, highest=0.7), seed=st.integers(0, 2**31))
def test_contrast_scales_the_distance_from_the_mean_luma(x, seed):
    for image, view in pairs(x, only(jitter=1, contrast=0.4)(x, stream(seed))):
        weights = LUMA if len(image) == 3 else np.ones(1)
        mean = np.tensordot(weights, image, 1).mean()
        away = image - mean
        factor = ((view - mean) * away).sum() / (away**2).sum()
        assert 0.6 - 1e-4 <= factor <= 1.4 + 1e-4
        np.testing.assert_allclose(view, mean + factor * away, atol=1e-5)


@given(x=images(channels=(3,), lowest=0.4, highest=0.6), seed=st.integers(0, 2**31))
def test_saturation_scales_the_distance_of_a_pixel_from_its_grey(x, seed):
    for image, view in pairs(x, only(jitter=1, saturation=0.4)(x, stream(seed))):
        grey = np.tensordot(LUMA, image, 1)
        factor = ((view - grey) * (image - grey)).sum() / ((image - grey) ** 2).sum()
        assert 0.6 - 1e-4 <= factor <= 1.4 + 1e-4
        np.testing.assert_allclose(view, grey + factor * (image - grey), atol=1e-5)


@given(x=images(channels=(3,), lowest=0.45, highest=0.55), seed=st.integers(0, 2**31))
def test_hue_turns_all_colours_of_a_view_by_one_angle_and_leaves_luma_and_strength_of_colour(x, seed):
    for image, view in pairs(x, only(jitter=1, hue=0.1)(x, stream(seed))):
        np.testing.assert_allclose(np.tensordot(LUMA, view, 1), np.tensordot(LUMA, image, 1), atol=1e-5)
        plane = np.array([[0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
        before, after = (np.array([1, 1j]) @ np.tensordot(plane, pixels, 1).reshape(2, -1) for pixels in (image, view))
        np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-5)
        angles = np.angle(after[np.abs(before) > 1e-2] / before[np.abs(before) > 1e-2])
        assert np.all(np.abs(angles) <= 0.1 * 2 * math.pi + 1e-2)
        assert np.ptp(angles) < 1e-2 if len(angles) else True


@given(x=images(channels=(3,)), seed=st.integers(0, 2**31))
def test_grey_views_have_the_luma_of_the_image_in_all_channels(x, seed):
    for image, view in pairs(x, only(grey=1)(x, stream(seed))):
        np.testing.assert_allclose(view, np.broadcast_to(np.tensordot(LUMA, image, 1), view.shape), atol=1e-5)


def test_hue_and_saturation_and_grey_leave_images_of_one_channel():
    x = torch.rand(50, 1, 5, 5)
    views = only(jitter=1, saturation=0.4, hue=0.1, grey=1)(x, stream())
    assert torch.equal(views, x[:, None].expand_as(views))


def test_the_given_shares_of_views_get_other_colours_and_none():
    x = 0.3 + 0.4 * torch.rand(2000, 3, 2, 2)
    changed = (only(jitter=0.8, brightness=0.4)(x, stream()) - x[:, None]).abs().flatten(2).amax(2) > 1e-4
    assert changed.float().mean() == pytest.approx(0.8, abs=0.03)
    views = only(grey=0.2)(x, stream())
    assert ((views[:, :, 0] - views[:, :, 1]).abs().flatten(2).amax(2) < 1e-5).float().mean() == pytest.approx(
        0.2, abs=0.03
    )


def test_every_view_of_every_image_is_drawn_for_itself():
    x = torch.rand(1, 3, 8, 8).expand(50, -1, -1, -1)
    assert len(Views(grey=0)(x, stream()).flatten(0, 1).flatten(1).unique(dim=0)) == 100


def test_views_depend_on_the_seed_and_the_epoch_of_their_stream_only():
    x = torch.rand(20, 3, 8, 8)

    def views(*names):
        torch.manual_seed(len(names))
        return Views()(x, stream(*names))

    assert torch.equal(views(0, 1), views(0, 1))
    for other in ((0, 2), (1, 1), (0,)):
        assert not torch.equal(views(0, 1), views(*other))


def test_one_strength_leaves_what_the_others_draw():
    x = torch.rand(20, 1, 8, 8)
    assert torch.equal(only(crop=0.3, grey=1)(x, stream()), only(crop=0.3)(x, stream()))


def test_settings_are_taken_by_name_and_wrong_ones_named_in_one_line():
    assert Views.of(None) == Views()
    assert Views.of({"crop": 0.2}) == Views(crop=0.2)
    assert Views.of({"crop": 0.2}, crop=0.5, grey=0) == Views(crop=0.2, grey=0)
    assert Views.of(None, 1) == Views(flip=0)
    assert Views.of({"flip": 1}, 1) == Views(flip=1)
    assert Views.of(Views(hue=0), crop=0.5) == Views(hue=0)
    assert pickle.loads(pickle.dumps(Views(hue=0))) == Views(hue=0)
    for changes, message in {
        (("blur", 1),): "views: found 'blur', expected crop, flip, jitter",
        (("crop", 0),): "views.crop: found 0, expected a number from 0.01 to 1",
        (("hue", 0.6),): "views.hue: found 0.6, expected a number from 0 to 0.5",
        (("flip", True),): "views.flip: found True, expected a number from 0 to 1",
        (("grey", float("nan")),): "views.grey: found nan",
    }.items():
        with pytest.raises(ConfigError, match=message):
            Views.of(dict(changes))
    with pytest.raises(ConfigError, match="views: found 'strong', expected crop, flip"):
        Views.of("strong")
