"""Plain training: Adam on the cross-entropy, with optional L1/L2 penalties, dropout, augmentation and early stopping.

    minimise  −log softmax(f(x))_y + l1·Σ|w| + l2·Σw²

Adam: Kingma & Ba 2015, 1412.6980. L1/L2 before pruning: Han et al. 2015, 1506.02626. Cosine: Loshchilov & Hutter 2017,
1608.03983. Early stopping restores the epoch with the least held-out loss.
"""

from __future__ import annotations

import keras

from bramble.recipe import Train
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.work import Work


def train(model: keras.Model, how: Train, work: Work) -> keras.Model:
    """Train ``model`` on the training set; the result is the model itself, or a copy if the recipe sets its dropout.

    Raises UsageError for dropout on a model without Dropout layers, TrainingDiverged for a loss that is no number.
    """
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    fit(model, how, work)
    return model
