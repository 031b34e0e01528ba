"""The challenge of notebook 12, and what each ingredient of its recipe is worth.

    python benchmarks/challenge.py [--seeds 0 1 2] [--epochs 30] [--checkpoints FOLDER]
    python benchmarks/challenge.py --entry mine.py
    python benchmarks/challenge.py --choose [--samples 6000] [--epochs 12]

The second line does the same with your own class MyNet, from the file mine.py.

The rules: at most 65,000 parameters, nothing but the training set, ten minutes of training on two
cores, the mean over three seeds on the test set at least 0.935. The first line trains on all 60,000
pictures, looks at the test set once, at the end of each seed, and fails where the mean stays below.

What is left out of training, shifts or mirrors, is left out of judging, too (`Augment.views`);
without the ten views, a network that was trained with them sees each picture once, as it is.

With --choose the test set stays shut. 5,000 pictures of the training set, the same for all, are put
aside for validation, and the recipe is trained on the others: whole, and with one ingredient left
out at a time.

Printed are the accuracy, that in training, in the last epoch, and the seconds of training, by the
wall and by the processor; these mean something where nothing else is running. With --checkpoints, a
run that was stopped goes on.
"""

import argparse
import runpy
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from helpers.batches import BatchLoader
from helpers.data import fashion_mnist
from helpers.devices import pick_device, set_seed
from helpers.models import Augment, PocketNet
from helpers.train import RECIPES, Recipe
from helpers.training import evaluate, fit

LIMIT, GOAL, ASIDE = 65_000, 0.935, 5_000
RECIPE = RECIPES["challenge"]
INGREDIENTS = (
    *("nothing", "augmentation", "shifts", "mirrors", "ten views"),
    *("smoothed labels", "weight decay"),
)


def without(ingredient: str) -> Recipe:
    """Return the recipe without one ingredient."""
    no_decay = RECIPE.optimizer | {"weight_decay": 0.0}
    recipes = {
        "smoothed labels": RECIPE._replace(smoothing=0.0),
        "weight decay": RECIPE._replace(optimizer=no_decay),
        "augmentation": RECIPE._replace(model=lambda: _with(Augment(shift=0, mirror=False))),
        "shifts": RECIPE._replace(model=lambda: _with(Augment(shift=0))),
        "mirrors": RECIPE._replace(model=lambda: _with(Augment(shift=1, mirror=False))),
    }
    return recipes.get(ingredient, RECIPE)


def _with(augment: Augment) -> PocketNet:
    model = PocketNet()
    model.augment = augment
    return model


def loaders(seed: int, options: argparse.Namespace) -> tuple[BatchLoader, BatchLoader]:
    """Return what to train on, and what to judge by."""
    batches, source = options.batch_size, options.source
    train, test = fashion_mnist(batches, device=pick_device(), source=source, seed=seed)
    if not options.choose:
        return train, test
    order = torch.randperm(train.num_samples, generator=torch.Generator().manual_seed(99))
    order = order.to(train.labels.device)
    aside, rest = order[:ASIDE], order[ASIDE:][: options.samples]
    used = BatchLoader(train.images[rest], train.labels[rest], batches, shuffle=True, seed=seed)
    return used, BatchLoader(train.images[aside], train.labels[aside], 500)


def run(ingredient: str, seed: int, options: argparse.Namespace) -> float:
    """Train once, print a line, and return the accuracy."""
    recipe = without(ingredient)
    if options.entry is not None:
        recipe = recipe._replace(model=runpy.run_path(options.entry)["MyNet"])
    loader, held_out = loaders(seed, options)
    set_seed(seed)
    model: Any = recipe.model()
    model.to(pick_device(), memory_format=torch.channels_last)
    if (size := sum(p.numel() for p in model.parameters())) > LIMIT:
        raise SystemExit(f"{size:,} parameters are too many")
    parts = recipe.schedule(model, recipe.learning_rate, options.epochs * len(loader))
    folder, name = options.checkpoints, f"{ingredient} {seed}.pt".replace(" ", "-")
    file = None if folder is None else Path(folder, name)
    start = time.process_time()
    history = fit(model, loader, epochs=options.epochs, checkpoint=file, progress=False, **parts)
    spent = time.process_time() - start
    judged = model.network if ingredient == "ten views" else model
    accuracy, train_accuracy = evaluate(judged, held_out).accuracy, history.train_accuracy[-1]
    row = f"{ingredient:16} {seed:4}   {accuracy:.4f}   {train_accuracy:.4f}"
    print(f"{row} {sum(history.seconds):9.0f} {spent:9.0f}", flush=True)
    return accuracy


def main(argv: Sequence[str] | None = None) -> None:
    """Train all seeds, or all with one ingredient left out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--samples", type=int, help="of the 55,000 that --choose trains on")
    parser.add_argument("--choose", action="store_true", help="by validation pictures")
    parser.add_argument("--without", nargs="+", default=INGREDIENTS, choices=INGREDIENTS)
    parser.add_argument("--entry", help="a file with a class MyNet, in place of our network")
    parser.add_argument("--checkpoints", help="a folder, to go on from where a run stopped")
    parser.add_argument("--source", default="auto")
    options = parser.parse_args(argv)
    judge = "validation" if options.choose else "test"
    print("without          seed   accuracy  in training  seconds  of processor")
    for ingredient in options.without if options.choose else ["nothing"]:
        found = [run(ingredient, seed, options) for seed in options.seeds]
        mean = statistics.mean(found)
        print(f"mean {judge} accuracy {mean:.4f}", flush=True)
    if not options.choose and options.epochs >= RECIPE.epochs and mean < GOAL:
        raise SystemExit(f"the challenge asks for {GOAL}")


if __name__ == "__main__":
    main()
