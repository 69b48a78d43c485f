"""`import_network`: one network of another framework, as it is in memory or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...runtime.errors import BadInput
from ..networks.networks import Networks

if TYPE_CHECKING:
    import os


def import_network(source: nn.Module | str | os.PathLike[str], example: Tensor | None = None) -> Networks:
    """One network: its architecture as a graph of operations, and its parameters.

    Arguments:
        source: a module of torch, which is traced in inference mode, or the path of an ONNX file or of a folder with
            a Hugging Face model's config.json and model.safetensors.
        example: for a module a batch of inputs `[n, *input_shape]`; their numbers do not matter.

    Operations are called like the module's parts, so that the architecture, as JSON, describes folders of state dicts
    of such modules to `zoo import state-dicts --arch`. Raises BadInput that names the operation that cannot be read.

    Example:
        >>> import torch
        >>> import weightbench as wb
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        >>> networks = wb.import_network(net, torch.zeros(1, 4))
        >>> str(networks.arch)
        'mlp 4-8-2 tanh'
        >>> x = torch.randn(3, 4)
        >>> torch.allclose(networks.forward(x)[0], net(x), atol=1e-6)
        True
    """
    if isinstance(source, nn.Module):
        from .graphs.torch.torch_graphs import trace_module

        if example is None or not example.ndim:
            raise BadInput(f"{type(source).__name__}: give an example of its inputs, a batch [n, *input_shape]")
        arch, params = trace_module(source, example)
    elif (path := Path(source)).is_dir():
        from .model_families.read_family import read_family

        arch, params = read_family(path, {})
    else:
        from .graphs.onnx.onnx_graphs import read_onnx

        if not path.is_file():
            raise BadInput(f"{path}: no such file")
        arch, params = read_onnx(path, {})
    return Networks(arch, torch.from_numpy(params)[None])
