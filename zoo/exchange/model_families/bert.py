"""Encoders of words (Devlin et al. 2019), `model_type` "bert": learned positions, post-norm layers, a pooler."""

from __future__ import annotations

from pydantic import PositiveInt

from ...networks.architecture import Architecture
from ..reading.state_dict_files import StateDict
from .encoder import Encoder, LayerNames, Operations

NAMES = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    out="attention.output.dense",
    norm1="attention.output.LayerNorm",
    fc1="intermediate.dense",
    fc2="output.dense",
    norm2="output.LayerNorm",
)
WORDS, POSITIONS = "bert.embeddings.word_embeddings", "bert.embeddings.position_embeddings"
KINDS = "bert.embeddings.token_type_embeddings.weight"


class Family(Encoder):
    """With a classifier of the pooled first token; of one text that fills all positions."""

    plain = {"is_decoder": (False,), "position_embedding_type": ("absolute",), "add_cross_attention": (False,)}
    classes = ("BertForSequenceClassification",)

    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt

    def architecture(self, outputs: int) -> Architecture:
        """From words `[max_position_embeddings]`."""
        width, tokens = self.hidden_size, self.max_position_embeddings
        operations: Operations = [
            {"op": "embedding", "id": WORDS, "vocabulary": self.vocab_size, "features": width},
            {"op": "position-embedding", "id": POSITIONS, "tokens": tokens, "features": width},
            self.norm(x := "bert.embeddings.LayerNorm"),
        ]
        for number in range(self.num_hidden_layers):
            layer, x = self.layer(f"bert.encoder.layer.{number}", NAMES, x, pre_norm=False)
            operations += layer
        operations += [
            {"op": "take-token"},
            self.linear("bert.pooler.dense", width),
            {"op": "activation", "name": "tanh"},
            self.linear("classifier", outputs),
        ]
        return Architecture.model_validate({"input_shape": (tokens,), "operations": operations})

    def tensors(self, state: StateDict) -> StateDict:
        """All words are of the first text, whose vector belongs to every position."""
        found = {name: value for name, value in state.items() if name != KINDS}
        positions, kinds = found.get(f"{POSITIONS}.weight"), state.get(KINDS)
        if positions is not None and kinds is not None and kinds.ndim == positions.ndim == 2:
            found[f"{POSITIONS}.weight"] = positions + kinds[:1]
        return found
