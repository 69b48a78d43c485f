"""NG-GNN with residual updates, a linear embedding and means alone: a variant of the suite, in no paper."""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeInt, PositiveInt

from .ng_gnn import NGGNN, Aggregator


class NGGNNResidual(NGGNN):
    """NG-GNN with residual updates, which learns from a few thousand networks in a few epochs.

    Nodes and edges keep what they were, x + W SiLU(update), where `ng-gnn` replaces them by SiLU(norm(W update)); the
    embedding of weights and biases is linear, neurons keep the mean of their messages, and there are three layers. The
    recipe is that of `ng-gnn`; a few thousand networks take `schedule=one-cycle lr=5e-3 dropout=0`, as in suite
    small-zoos.

    Fields: those of `ng-gnn`.
    """

    name = "ng-gnn-residual"
    version = "1"
    paper = ""
    residual: ClassVar[bool] = True

    depth: PositiveInt = 3
    aggregators: tuple[Aggregator, ...] = ("mean",)
    fourier_features: NonNegativeInt = 0
