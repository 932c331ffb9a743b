import numpy as np
import torch
from monai.metrics import compute_dice

from fusemorph.metrics import predicted_labels, segmentation_dice

LABELS = (3, 8, 9)


def test_it_equals_monais_on_the_same_arrays() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice([0, 3, 8], size=(7, 9, 8)).astype(np.int16)
    logits = torch.tensor(rng.normal(size=(1, 4, 7, 9, 8)), dtype=torch.float32)
    predicted = predicted_labels(logits, LABELS)
    found = segmentation_dice(true, predicted, labels=LABELS)
    ours, theirs = (
        torch.tensor(np.stack([label_map == label for label in LABELS]))[None].float()
        for label_map in (predicted, true)
    )
    np.testing.assert_allclose(found, compute_dice(ours, theirs, ignore_empty=True)[0].numpy(), atol=1e-6)
    assert np.isnan(found[2])


def test_predictions_are_the_labels_of_the_likeliest_classes() -> None:
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, 0, 0, 0] = logits[0, 1, 0, 1] = logits[0, 2, 1, 0] = logits[0, 3, 1, 1] = 1
    assert predicted_labels(logits, LABELS).tolist() == [[0, 3], [8, 9]]
