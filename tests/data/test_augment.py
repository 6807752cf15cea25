"""What augmentation does to pixels, to which images, and with which random numbers."""

import pickle

import pytest
import torch
from fastai.data.transforms import Normalize
from fastai.torch_core import TensorImage
from fasttransform import Pipeline
from hypothesis import given
from hypothesis import strategies as st

from sslfast import Augment, image_dls
from sslfast.data.augment import FlipHorizontal, FlipVertical, GaussianNoise, NormalizeImages, Stream, TensorTarget
from sslfast.errors import ConfigError

FLIPS = [(FlipHorizontal, -1), (FlipVertical, -2)]
TRAIN, VALID = 0, 1
STRONG = {"flip_horizontal": 0.5, "flip_vertical": 0.5, "noise": 0.3}


@st.composite
def batches(draw) -> TensorImage:
    """uint8 images of any shape, square or not."""
    shape = [draw(st.integers(1, 16)), draw(st.sampled_from([1, 3])), draw(st.integers(1, 9)), draw(st.integers(1, 9))]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return TensorImage(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))


def plain(x) -> torch.Tensor:
    return x.as_subclass(torch.Tensor)


@pytest.fixture
def some_digits(digits) -> TensorImage:
    return TensorImage(digits.train.x[:500])


def chosen(before, after, dim: int) -> torch.Tensor:
    """Which images of a batch were mirrored; fails if one is neither itself nor its mirror image."""
    before, after = plain(before), plain(after)
    kept = (after == before).flatten(1).all(1)
    mirrored = (after == before.flip(dim)).flatten(1).all(1)
    assert (kept | mirrored).all()
    return mirrored & ~kept


# ── flips ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("flip", "dim"), FLIPS)
@given(x=batches(), p=st.sampled_from([0.0, 0.3, 1.0]))
def test_a_flip_leaves_an_image_or_mirrors_it_exactly(flip, dim, x, p):
    before = x.clone()
    after = flip(p)(x, split_idx=TRAIN)
    chosen(before, after, dim)
    assert isinstance(after, TensorImage)
    assert after.dtype == torch.uint8
    assert torch.equal(plain(x), plain(before)), "the batch that went in is left as it was"


@pytest.mark.parametrize(("flip", "dim"), FLIPS)
def test_a_flip_of_probability_one_mirrors_every_image_and_of_zero_none(some_digits, flip, dim):
    every = flip(1.0)(some_digits, split_idx=TRAIN)
    assert torch.equal(plain(every), plain(some_digits).flip(dim))
    none = flip(0.0)(some_digits, split_idx=TRAIN)
    assert torch.equal(plain(none), plain(some_digits))


@pytest.mark.parametrize(("flip", "dim"), FLIPS)
def test_a_flip_mirrors_the_share_of_images_that_its_probability_says(some_digits, flip, dim):
    half = chosen(some_digits, flip(0.5)(some_digits, split_idx=TRAIN), dim).float().mean()
    fifth = chosen(some_digits, flip(0.2)(some_digits, split_idx=TRAIN), dim).float().mean()
    assert 0.4 < half < 0.6
    assert 0.12 < fifth < 0.28


@pytest.mark.parametrize("transform", [FlipHorizontal(1.0), FlipVertical(1.0)])
def test_flips_leave_validation_images_alone(some_digits, transform):
    assert torch.equal(plain(transform(some_digits, split_idx=VALID)), plain(some_digits))


def test_horizontal_and_vertical_flips_choose_independently(some_digits):
    both = []
    for flip, dim in FLIPS:
        transform = flip(0.5)
        transform.stream.restart(0, 0)
        both.append(chosen(some_digits, transform(some_digits, split_idx=TRAIN), dim))
    agreement = (both[0] == both[1]).float().mean()
    assert 0.4 < agreement < 0.6


# ── noise ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("std", [0.05, 0.3])
def test_noise_has_the_standard_deviation_it_was_given_and_no_mean(std):
    x = TensorImage(torch.full((200, 1, 8, 8), 0.5))
    noise = plain(GaussianNoise(std)(x, split_idx=TRAIN)) - 0.5
    assert float(noise.std()) == pytest.approx(std, rel=0.03)
    assert abs(float(noise.mean())) < 0.03 * std
    assert torch.equal(plain(x), torch.full((200, 1, 8, 8), 0.5)), "the batch that went in is left as it was"


def test_noise_leaves_validation_images_alone():
    x = TensorImage(torch.rand(4, 1, 8, 8))
    assert torch.equal(plain(GaussianNoise(0.3)(x, split_idx=VALID)), plain(x))


def test_noise_of_batches_images_and_pixels_is_independent():
    transform, x = GaussianNoise(1.0), TensorImage(torch.zeros(64, 3, 16, 16))
    transform.stream.restart(0, 0)
    batches = [plain(transform(x, split_idx=TRAIN)).flatten(1) for _ in range(4)]
    images = torch.cat(batches)  # [256, 768]
    between = torch.corrcoef(images)
    between.fill_diagonal_(0)
    assert float(between.abs().max()) < 6 / 768**0.5
    for lag in (1, 3, 48):  # neighbours in a row, a column and a channel
        assert abs(float((images[:, lag:] * images[:, :-lag]).mean())) < 5 / images.numel() ** 0.5


@pytest.mark.parametrize("shape", [(8, 3, 16, 16), (4, 3, 512, 512)])
def test_noise_depends_on_the_seed_and_the_epoch_alone(shape):
    x = TensorImage(torch.zeros(shape))
    transform = GaussianNoise(1.0)

    def noise(seed, epoch):
        transform.stream.restart(seed, epoch)
        return plain(transform(x, split_idx=TRAIN))

    first, another_seed, another_epoch, again = noise(0, 0), noise(1, 0), noise(0, 1), noise(0, 0)
    assert torch.equal(first, again)
    for other in (another_seed, another_epoch):
        assert abs(float(torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1])) < 0.1
    assert float(first.std()) == pytest.approx(1, rel=0.05)


# ── normalisation ───────────────────────────────────────────────────────────────────────────────


@given(x=batches())
def test_normalisation_is_fastais_and_can_be_undone(x):
    x = TensorImage(plain(x)[..., :1, :1].float() / 255).expand(-1, -1, 8, 8)
    mean, std = [0.4, 0.5, 0.6][: x.shape[1]], [0.2, 0.3, 0.25][: x.shape[1]]
    ours, theirs = NormalizeImages(mean, std, 8), Normalize.from_stats(mean, std, cuda=False)
    assert torch.allclose(plain(ours(x)), plain(theirs(x)), atol=1e-5)
    assert torch.allclose(plain(ours.decode(ours(x))), plain(x), atol=1e-5)


def augmented(digits, changes: dict, split_idx: int = TRAIN, reconstruct: bool = True) -> tuple:
    """A batch after all transforms, each stream restarted; its input not normalised."""
    transforms = Augment.of("cifar10", changes).transforms([0.0], [1.0], 8, reconstruct=reconstruct)
    for transform in transforms:
        if isinstance(getattr(transform, "stream", None), Stream):
            transform.stream.restart(0, 0)
    batch = Pipeline(transforms, split_idx=split_idx)((TensorImage(digits.train.x[:400]),))
    return tuple(batch)


def test_noise_touches_the_input_and_leaves_the_target_clean(digits):
    x, target = augmented(digits, {**STRONG, "flip_horizontal": 0, "flip_vertical": 0})
    assert isinstance(target, TensorTarget)
    assert torch.equal(plain(target), digits.train.x[:400].float() / 255)
    assert float((plain(x) - plain(target)).std()) == pytest.approx(0.3, rel=0.02)


def test_the_target_is_the_flipped_image_in_0_to_1(digits):
    x, target = augmented(digits, {"flip_horizontal": 1, "flip_vertical": 1, "noise": 0.3})
    assert torch.equal(plain(target), digits.train.x[:400].flip(-1, -2).float() / 255)
    assert 0 <= float(target.min()) <= float(target.max()) <= 1
    assert float(x.min()) < 0, "noise on the input is not cut off"


def test_validation_input_and_target_are_the_clean_image(digits):
    x, target = augmented(digits, STRONG, split_idx=VALID)
    clean = digits.train.x[:400].float() / 255
    assert isinstance(target, TensorTarget)
    assert torch.equal(plain(target), clean)
    torch.testing.assert_close(plain(x), clean)


def test_without_reconstruction_there_is_no_target(digits):
    assert len(augmented(digits, STRONG, reconstruct=False)) == 1


def test_noise_is_the_same_whether_or_not_images_are_flipped(digits):
    flipped = augmented(digits, STRONG)
    unflipped = augmented(digits, {**STRONG, "flip_horizontal": 0, "flip_vertical": 0})
    noise, other = (plain(x) - plain(target) for x, target in (flipped, unflipped))
    torch.testing.assert_close(noise, other, atol=1e-6, rtol=0)


# ── streams ─────────────────────────────────────────────────────────────────────────────────────


def draws(stream: Stream) -> list[float]:
    return torch.rand(20, generator=stream.on(torch.device("cpu"))).tolist()


@given(st.integers(0, 2**31), st.integers(0, 1000))
def test_a_restarted_stream_repeats_itself(seed, epoch):
    stream = Stream("noise")
    stream.restart(seed, epoch)
    first = draws(stream)
    assert draws(stream) != first, "a stream goes on until it is restarted"
    stream.restart(seed, epoch)
    assert draws(stream) == first


def test_streams_differ_by_seed_epoch_and_name():
    found = []
    for name, seed, epoch in (("a", 0, 0), ("a", 1, 0), ("a", 0, 1), ("b", 0, 0)):
        stream = Stream(name)
        stream.restart(seed, epoch)
        found.append(tuple(draws(stream)))
    assert len(set(found)) == 4


def test_streams_leave_the_global_generator_alone(some_digits):
    before = torch.get_rng_state()
    FlipHorizontal(0.5)(some_digits, split_idx=TRAIN)
    GaussianNoise(0.1)(TensorImage(some_digits.float()), split_idx=TRAIN)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pickled_transform_draws_the_same_after_a_restart(some_digits):
    transform = FlipHorizontal(0.5)
    transform(some_digits, split_idx=TRAIN)
    copy = pickle.loads(pickle.dumps(transform))
    for one in (transform, copy):
        one.stream.restart(3, 4)
    assert torch.equal(*(plain(one(some_digits, split_idx=TRAIN)) for one in (transform, copy)))


# ── strengths by name ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dataset", ["digits", "mnist", "fashion_mnist"])
def test_digits_and_clothes_get_noise_and_are_not_flipped(dataset):
    assert Augment.of(dataset) == Augment(flip_horizontal=0, flip_vertical=0, noise=0.1)


def test_natural_images_get_noise_and_flips():
    assert Augment.of("cifar10") == Augment(flip_horizontal=0.5, flip_vertical=0.5, noise=0.1)


def test_a_persons_own_images_are_mirrored_and_never_turned_upside_down():
    assert Augment.of("folder") == Augment(flip_horizontal=0.5, flip_vertical=0, noise=0.1)


def test_changes_replace_what_they_name_and_nothing_else():
    assert Augment.of("cifar10", {"flip_vertical": 0}) == Augment(0.5, 0.0, 0.1)
    assert Augment.of("digits", {"flip_horizontal": 1}) == Augment(1.0, 0.0, 0.1)


def test_an_augment_is_taken_as_it_is():
    assert Augment.of("cifar10", Augment(noise=0.4)) == Augment(0, 0, 0.4)


def test_what_has_no_strength_is_not_among_the_transforms():
    names = {type(t).__name__ for t in Augment().transforms([0.5], [0.5], 8, reconstruct=False)}
    assert names == {"ImagesToFloat", "NormalizeImages"}


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(digits):
    expected = r"augment: found 'rotate', expected flip_horizontal, flip_vertical, noise"
    with pytest.raises(ConfigError, match=expected):
        Augment.of("digits", {"rotate": 10})
    with pytest.raises(ConfigError, match=expected):
        image_dls(digits, augment={"rotate": 10})


@pytest.mark.parametrize(
    "changes",
    [{"noise": "much"}, {"noise": -0.1}, {"noise": float("nan")}, {"flip_horizontal": 1.5}, {"flip_vertical": -0.5}],
    ids=str,
)
def test_a_strength_that_cannot_work_is_an_error_that_names_it(changes):
    (name,) = changes
    with pytest.raises(ConfigError, match=name):
        Augment.of("digits", changes)
