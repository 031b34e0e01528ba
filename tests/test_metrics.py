"""helpers.metrics against counting by hand."""

import pytest
import torch

from helpers.metrics import History, Metrics, accuracy, confusion_matrix


def test_accuracy_counts_by_hand():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(97, 10, generator=generator)
    labels = torch.randint(10, (97,), generator=generator)
    by_hand = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        by_hand += row.index(max(row)) == label
    assert accuracy(logits, labels) == by_hand / 97


@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        (torch.rand(4, 3), torch.tensor([0, 1, 2]), ValueError, "as many as logits, 4, got 3"),
        (torch.rand(4), torch.tensor([0, 1, 2, 0]), ValueError, r"shape \(B, C\), got \(4,\)"),
        (torch.rand(2, 3), torch.tensor([0, 3]), ValueError, "lie in 0..2, got 0 to 3"),
        (torch.rand(2, 3), torch.tensor([-1, 2]), ValueError, "got -1 to 2"),
        (torch.rand(2, 3), torch.tensor([0.0, 1.0]), TypeError, "int64, got torch.float32"),
        (torch.rand(2, 3), torch.eye(3)[:2], ValueError, r"argmax\(dim=1\)"),
        (torch.tensor([[0.0, torch.nan]]), torch.tensor([0]), ValueError, "got NaN"),
        (torch.rand(0, 3), torch.tensor([], dtype=torch.int64), ValueError, "at least one"),
        (torch.rand(2, 3, device="meta"), torch.tensor([0, 1]), RuntimeError, "meta"),
    ],
)
def test_accuracy_refuses_what_it_cannot_count(logits, labels, error, message):
    with pytest.raises(error, match=message):
        accuracy(logits, labels)


def test_infinite_logits_are_numbers():
    assert accuracy(torch.tensor([[-torch.inf, 0.0]]), torch.tensor([1])) == 1.0


def test_confusion_matrix_counts_by_hand():
    generator = torch.Generator().manual_seed(1)
    predictions = torch.randint(5, (300,), generator=generator)
    labels = torch.randint(4, (300,), generator=generator)  # class 4 never occurs
    by_hand = torch.zeros(5, 5, dtype=torch.int64)
    for prediction, label in zip(predictions.tolist(), labels.tolist(), strict=True):
        by_hand[label, prediction] += 1
    matrix = confusion_matrix(predictions, labels, 5)
    torch.testing.assert_close(matrix, by_hand, rtol=0, atol=0)
    assert matrix.dtype == torch.int64
    assert matrix.trace().item() / 300 == (predictions == labels).double().mean().item()


@pytest.mark.parametrize(
    ("predictions", "labels", "num_classes", "error", "message"),
    [
        (torch.tensor([0, 1]), torch.tensor([0]), 2, ValueError, "as many as logits, 2, got 1"),
        (torch.tensor([0, 2]), torch.tensor([0, 1]), 2, ValueError, "predictions must lie in 0..1"),
        (torch.tensor([0, 1]), torch.tensor([0, -1]), 2, ValueError, "labels must lie in 0..1"),
        (torch.tensor([0.0]), torch.tensor([0]), 2, TypeError, "torch.float32"),
        (
            torch.rand(2, 3),
            torch.tensor([0, 1]),
            3,
            ValueError,
            r"predictions .* shape \(B,\), got \(2, 3\)",
        ),
        (torch.tensor([0]), torch.tensor([0]), 0, ValueError, "num_classes"),
        (torch.tensor([0]), torch.tensor([0]), 2.0, TypeError, "num_classes"),
    ],
)
def test_confusion_matrix_refuses(predictions, labels, num_classes, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(predictions, labels, num_classes)


def test_history_starts_empty_and_metrics_unpack():
    loss, accuracy = Metrics(0.5, 0.9)
    history = History()
    assert history.epochs == 0
    history.add(Metrics(loss, accuracy), None, 1.0)
    assert (history.epochs, history.train_loss, history.test_loss) == (1, [0.5], [])
