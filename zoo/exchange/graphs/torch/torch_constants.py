"""What a traced program computes of its parameters, buffers and constants alone, such as masks: torch computes it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .torch_calls import Operand, Parameter

aten = torch.ops.aten
SHAPED = {  # what they give depends on the shape of what they read, not on its numbers
    *(aten.zeros_like.default, aten.ones_like.default, aten.full_like.default),
    *(aten.new_zeros.default, aten.new_ones.default, aten.new_full.default),
}


def constants_of(program: Any) -> dict[Any, Operand]:
    """By node, all that neither the input nor chance has a part in; what has its name in the state dict keeps it."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    lifted = signature.inputs_to_lifted_tensor_constants
    found: dict[Any, Any] = {}

    def told(source: Any) -> Any:
        """What a source gives, or of one that reads the input a tensor of the same shape and type."""
        if source in found:
            return found[source]
        value = source.meta["val"]
        return torch.empty(value.shape, dtype=value.dtype, device=value.device)

    for node in program.graph.nodes:
        if node.op == "placeholder":
            name = names.get(node.name, lifted.get(node.name))
            if name is not None:
                found[node] = program.state_dict[name] if name in program.state_dict else program.constants[name]
        elif node.op == "call_function" and _determined(node, found):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), told)
            with torch.no_grad():
                found[node] = node.target(*args, **kwargs)
    return {
        node: Parameter(names.get(node.name, ""), value.detach().cpu().numpy()) if isinstance(value, Tensor) else value
        for node, value in found.items()
    }


def _determined(node: Any, known: dict[Any, Any]) -> bool:
    by_chance = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return not by_chance and (node.target in SHAPED or all(source in known for source in node.all_input_nodes))
