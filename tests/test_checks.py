"""helpers.checks: what a learner gets wrong is told in one sentence, and changes nothing."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, SequentialLR, StepLR
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from helpers.batches import BatchLoader
from helpers.training import evaluate, fit, train_epoch

IMAGES = torch.rand(5, 1, 6, 6)
LABELS = torch.tensor([0, 1, 2, 3, 0])
BATCH = IMAGES, LABELS


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 4))


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def assert_same(model, state):
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


def assert_refused(error, message, *, model=None, loader=(BATCH,), epochs=1, **options):
    """`fit` raises this error and changes neither weights nor modes."""
    model = make_model().eval() if model is None else model
    if "optimizer" not in options:
        options["optimizer"] = sgd(model)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    with pytest.raises(error, match=message) as raised:
        fit(model, loader, epochs=epochs, progress=False, **options)
    assert "\n" not in str(raised.value)
    assert_same(model, before)
    assert [module.training for module in model.modules()] == modes


# Arguments


@pytest.mark.parametrize("epochs", [0, -1, 1.0, "3", True, None])
def test_epochs_must_be_a_whole_number(epochs):
    refusals = "epochs must be (an int|1 or more), got"
    assert_refused((TypeError, ValueError), refusals, epochs=epochs)


@pytest.mark.parametrize("model", [None, 3, F.relu, nn.Linear])
def test_a_model_must_be_a_module(model):
    with pytest.raises(TypeError, match="model must be of type Module, got"):
        fit(model, [BATCH], optimizer=sgd(make_model()), epochs=1)
    with pytest.raises(TypeError, match="model must be of type Module, got"):
        evaluate(model, [BATCH])


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        (None, "a NoneType"),
        ("sgd", "a str"),
        (torch.optim.SGD, "the class SGD"),
        ([nn.Parameter(torch.rand(50, 50))], "a list of Parameter"),
    ],
)
def test_an_optimizer_must_be_one(optimizer, told):
    message = f"^optimizer must be of type Optimizer, got {told}$"
    assert_refused(TypeError, message, optimizer=optimizer)


@pytest.mark.parametrize("scheduler", [3, StepLR])
def test_a_scheduler_must_be_one(scheduler):
    assert_refused(TypeError, "scheduler must be of type LRScheduler, got", scheduler=scheduler)


@pytest.mark.parametrize("loss_fn", [None, "cross entropy", nn.CrossEntropyLoss])
def test_a_loss_function_must_be_one_and_not_its_class(loss_fn):
    assert_refused(TypeError, "loss_fn must be a function or a module, got", loss_fn=loss_fn)
    with pytest.raises(TypeError, match="loss_fn must be a function"):
        evaluate(make_model(), [BATCH], loss_fn)


def test_an_optimizer_of_another_model_is_refused():
    assert_refused(
        ValueError, "optimizer holds none of the model's trainable", optimizer=sgd(make_model())
    )


def test_a_scheduler_of_another_optimizer_is_refused():
    """The learning rate would stay as it is, without a word."""
    scheduler = StepLR(sgd(make_model()), 3)
    assert_refused(ValueError, "scheduler must be made from this very", scheduler=scheduler)


def test_a_frozen_model_is_refused():
    model = make_model()
    optimizer = sgd(model)
    model.requires_grad_(False)
    message = r"all are frozen \(requires_grad=False\)"
    assert_refused(ValueError, message, model=model, optimizer=optimizer)


def test_a_model_without_parameters_can_be_evaluated_but_not_trained():
    model = nn.Flatten()
    metrics = evaluate(model, [BATCH])
    logits = IMAGES.flatten(1)
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, LABELS).item(), rel=1e-6)
    optimizer = sgd(make_model())
    assert_refused(ValueError, "model has no parameter", model=model, optimizer=optimizer)


def test_a_model_that_lies_in_two_places_is_refused():
    model = make_model()
    model[3].to("meta")
    with pytest.raises(ValueError, match=r"model must lie on one device, got .*cpu.*meta"):
        evaluate(model, [BATCH])
    with pytest.raises(NotImplementedError, match="meta tensor"):
        evaluate(make_model().to("meta"), [BATCH])


# What `step` needs


class NeedsTwo(torch.optim.SGD):
    """Somebody's own optimizer, with another signature than PyTorch's."""

    def step(self, closure=None, *, verbose=False, hint):
        raise AssertionError("never called")


def test_an_optimizer_that_needs_a_closure_is_refused_before_the_first_batch():
    model = make_model()
    message = "need no argument, got LBFGS, whose step needs closure"
    assert_refused(TypeError, message, model=model, optimizer=torch.optim.LBFGS(model.parameters()))
    optimizer = torch.optim.LBFGS(model.parameters())
    StepLR(optimizer, 3)  # which puts a function of its own in the place of the optimizer's step
    assert_refused(TypeError, message, model=model, optimizer=optimizer)
    optimizer = NeedsTwo(model.parameters(), lr=0.1)
    assert_refused(
        TypeError, "got NeedsTwo, whose step needs hint", model=model, optimizer=optimizer
    )


def test_a_scheduler_that_needs_a_measurement_is_refused_before_the_first_batch():
    model = make_model()
    optimizer = sgd(model)
    scheduler = ReduceLROnPlateau(optimizer)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    assert_refused(TypeError, "got ReduceLROnPlateau, whose step needs metrics", **parts)


def test_schedulers_that_follow_a_plan_are_taken():
    model = make_model()
    optimizer = sgd(model)
    parts = [StepLR(optimizer, 2), StepLR(optimizer, 2)]
    scheduler = SequentialLR(optimizer, parts, milestones=[1])
    fit(model, [BATCH], optimizer=optimizer, scheduler=scheduler, epochs=2, progress=False)
    assert scheduler.last_epoch == 2


def test_a_schedule_that_ends_too_early_is_refused_before_training():
    model = make_model()
    optimizer = sgd(model)
    scheduler = OneCycleLR(optimizer, 0.3, total_steps=8)
    message = "scheduler has 8 of 8 steps left for 9 batches"
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    assert_refused(ValueError, message, loader=[BATCH] * 3, epochs=3, **parts)


# Loaders


@pytest.mark.parametrize("loader", [[], DataLoader([]), iter([])])
def test_an_empty_loader_is_refused(loader):
    message = "must yield at least one batch, got an empty loader"
    assert_refused(ValueError, message, loader=loader)


def test_an_empty_loader_cannot_be_evaluated():
    for loader in ([], iter([])):
        with pytest.raises(ValueError, match="must yield at least one batch"):
            evaluate(make_model(), loader)


class Stream(IterableDataset):
    """Samples of which nobody knows how many there are."""

    def __init__(self, samples):
        self.samples = samples

    def __iter__(self):
        return iter(zip(*self.samples, strict=True))


def test_a_loader_need_not_know_its_length():
    model = make_model()
    loader = DataLoader(Stream(BATCH), batch_size=2)
    history = fit(model, loader, loader, optimizer=sgd(model), epochs=2, progress=False)
    twin = make_model()
    listed = list(loader)
    expected = fit(twin, listed, listed, optimizer=sgd(twin), epochs=2, progress=False)
    assert history.train_loss == expected.train_loss
    empty = DataLoader(Stream((IMAGES[:0], LABELS[:0])), batch_size=2)
    assert_refused(ValueError, "at least one batch, got an empty loader", loader=empty)


def test_a_generator_serves_one_epoch_and_is_refused_for_more():
    """The second epoch would find it empty, and the first would be lost."""
    model = make_model()
    fit(model, (batch for batch in [BATCH]), optimizer=sgd(model), epochs=1, progress=False)
    message = "loader must serve 2 epochs, got a generator, which ends after one"
    assert_refused(ValueError, message, loader=(batch for batch in [BATCH]), epochs=2)
    assert_refused(ValueError, "test_" + message, test_loader=(b for b in [BATCH]), epochs=2)


@pytest.mark.parametrize("loader", [None, 3])
def test_a_loader_must_be_one(loader):
    assert_refused(TypeError, "train_loader must yield batches, .* got", loader=loader)
    with pytest.raises(TypeError, match="loader must yield batches"):
        evaluate(make_model(), loader)


# Batches


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((IMAGES, torch.tensor([0, 1, 2, 3, 4])), ValueError, "lie in 0..3, got 0 to 4"),
        ((IMAGES, torch.tensor([0, 1, 2, 3, -1])), ValueError, "got -1 to 3"),
        ((IMAGES, torch.rand(5)), TypeError, "int64, got torch.float32"),
        ((IMAGES, torch.full((5,), torch.nan)), TypeError, "int64, got torch.float32"),
        ((IMAGES, LABELS.int()), TypeError, "int64, got torch.int32"),
        ((IMAGES, torch.eye(5)[:, :4]), ValueError, "one-hot"),
        ((IMAGES, torch.tensor([0, 1, 2])), ValueError, "as many as logits, 5, got 3"),
        (((IMAGES * 255).byte(), LABELS), TypeError, r"float\(\) / 255"),
        ((IMAGES[:0], LABELS[:0]), ValueError, r"yield samples, .* shape \(0, 1, 6, 6\)"),
        ((IMAGES.to("meta"), LABELS), NotImplementedError, "meta tensor"),
        ((IMAGES, LABELS.to("meta")), (NotImplementedError, RuntimeError), "meta"),
        ((IMAGES, LABELS, LABELS), TypeError, "pairs of tensors, got a tuple of Tensor, Tensor, T"),
        ([IMAGES], TypeError, "pairs of tensors, got a list of Tensor$"),
        (IMAGES, TypeError, "pairs of tensors, got a Tensor$"),
        (
            (IMAGES.numpy(), LABELS.numpy()),
            TypeError,
            "pairs of .* got a tuple of ndarray, ndarray",
        ),
        ({"x": IMAGES, "y": LABELS}, TypeError, "pairs of .* got a dict with the keys 'x', 'y'"),
        ((), TypeError, "pairs of tensors, got a tuple of nothing"),
        (None, TypeError, "pairs of tensors, got a NoneType"),
    ],
)
def test_bad_batches_are_refused_and_the_weights_kept(batch, error, message):
    assert_refused(error, message, loader=[batch])
    with pytest.raises(error, match=message):
        evaluate(make_model(), [batch])


def test_a_dataset_in_place_of_a_loader_is_refused():
    assert_refused(ValueError, r"shape \(B,\), got \(\)", loader=TensorDataset(*BATCH))


def test_a_list_of_images_and_labels_is_a_pair():
    assert evaluate(make_model(), [list(BATCH)]) == evaluate(make_model(), [BATCH])


def test_labels_of_a_batchloader_are_checked_against_the_logits():
    loader = BatchLoader((IMAGES * 255).byte(), LABELS + 1, 32)
    with pytest.raises(ValueError, match=r"lie in 0\.\.3, got up to 4"):
        evaluate(make_model(), loader)


class LooksAtLabels(TorchDispatchMode):
    """Counts how often the values of whole numbers are read."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._local_scalar_dense.default:
            self.count += args[0].dtype == torch.int64
        return result


def looks(loader):
    model = make_model()
    with LooksAtLabels() as mode:
        train_epoch(model, loader, optimizer=sgd(model))
    return mode.count


def test_labels_that_have_been_counted_are_not_looked_at_again():
    """On a GPU each look would make the batch wait."""
    loader = BatchLoader((IMAGES * 255).byte(), LABELS, 2)
    assert looks(loader) == 0
    assert looks(list(loader)) == 2 * len(loader)  # the lowest and the highest of each batch


# What model and loss return


class TwoAnswers(nn.Module):
    """As a network with a second output beside the logits."""

    def __init__(self):
        super().__init__()
        self.inner = make_model()

    def forward(self, images):
        return self.inner(images), images


def test_a_model_that_returns_no_logits_is_refused():
    message = "model must return logits, one tensor, got a tuple of Tensor, Tensor"
    assert_refused(TypeError, message, model=TwoAnswers())
    model = nn.Sequential(*make_model(), nn.Unflatten(1, (2, 2)))
    assert_refused(ValueError, r"of shape \(B, C\), got \(5, 2, 2\)", model=model)


@pytest.mark.parametrize(
    ("loss_fn", "error", "message"),
    [
        (nn.CrossEntropyLoss(reduction="none"), ValueError, r"return one number, got shape \(5,\)"),
        (lambda *pair: F.cross_entropy(*pair)[None], ValueError, r"got shape \(1,\)"),
        (lambda *pair: F.cross_entropy(*pair).item(), TypeError, "a tensor .* got a float"),
    ],
)
def test_a_loss_that_is_not_one_number_is_refused(loss_fn, error, message):
    assert_refused(error, message, loss_fn=loss_fn)
    with pytest.raises(error, match=message):
        evaluate(make_model(), [BATCH], loss_fn)


def test_a_loss_that_does_not_depend_on_the_model_is_refused():
    message = "loss must depend on the model: detach nothing, train without no_grad"
    assert_refused(ValueError, message, loss_fn=lambda *pair: F.cross_entropy(*pair).detach())
    with torch.no_grad():
        assert_refused(ValueError, message)


# Two number formats


@pytest.fixture
def doubles_by_default():
    """As a reader may set it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("doubles_by_default")
def test_a_model_of_another_dtype_is_named():
    model = make_model()
    message = (
        r"images are torch.float32 but the model's parameters are torch.float64: "
        r"model.to\(torch.float32\) makes them alike"
    )
    assert_refused(TypeError, message, model=model)
    for broken in (model, nn.Sequential(nn.Conv2d(1, 4, 6), nn.Flatten())):
        with pytest.raises(TypeError, match=message):
            evaluate(broken, [BATCH])
    assert evaluate(model.to(torch.float32), [BATCH]).accuracy >= 0


def test_a_model_in_doubles_is_named_for_a_batchloader_too():
    model = make_model().double()
    loader = BatchLoader((IMAGES * 255).byte(), LABELS, 2)
    message = "images are torch.float32 but the model's parameters are torch.float64"
    assert_refused(TypeError, message, model=model, loader=loader)


class Double(nn.Module):
    """A model that converts for itself."""

    def __init__(self):
        super().__init__()
        self.inner = make_model().double()

    def forward(self, images):
        return self.inner(images.double())


def test_a_model_that_converts_for_itself_may_be_of_another_dtype():
    single = evaluate(make_model(), [BATCH])
    assert evaluate(Double(), [BATCH]).loss == pytest.approx(single.loss, rel=1e-5)
    broken = Double()
    broken.inner[1] = nn.Linear(35, 16).double()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        evaluate(broken, [BATCH])


def test_errors_of_the_loader_and_of_the_loss_stay_what_they_are():
    """They may speak of types without being about the model's."""

    def bad_type(*arguments):
        raise RuntimeError("this type of file is unknown")

    def loader():
        yield BATCH
        bad_type()

    for arguments in ([loader()], [[BATCH], bad_type]):
        with pytest.raises(RuntimeError, match=r"^this type of file is unknown$"):
            evaluate(Double(), *arguments)
