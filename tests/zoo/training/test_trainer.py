"""The engine: every network of a chunk is trained as torch would train it alone, whatever its company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.torch_graphs import TorchGraph
from torch import Tensor

from weightbench import Architecture, Networks
from weightbench.zoo.recipes.architecture_families import CNNFamily
from weightbench.zoo.training.initialisation import initial_params
from weightbench.zoo.training.trainer import Trainer, TrainingSettings, TrainingState

MLP = Architecture.mlp((4, 6, 3), "tanh")
CNN = Architecture.cnn((2, 9, 9), (4, 5), 3, padding=1)

RESNET = dict(
    CNNFamily(family="cnn", draws=1, input_shape=(2, 6, 6), outputs=3, stages=(2,), blocks=(1,), width=(4,)).drawn("x")
)["x"]


def data(arch: Architecture, items: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(items, *arch.input_shape, generator=generator)
    return inputs, torch.randint(0, 3, (items,), generator=generator)


def start(arch: Architecture, networks: int) -> Tensor:
    return torch.from_numpy(
        np.stack([initial_params(arch, "torch", np.random.default_rng(seed)) for seed in range(networks)])
    )


def train(trainer: Trainer, params: Tensor, settings: TrainingSettings, index: Tensor) -> Tensor:
    inputs, targets = data(trainer.arch)
    state = TrainingState.start(params)
    for batch in index:
        state = trainer.step(state, settings, inputs, targets, batch)
    return state.params


def batches(networks: int, steps: int = 12) -> Tensor:
    return torch.randint(0, 40, (steps, networks, 8), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("arch", [MLP, CNN], ids=["mlp", "cnn"])
def test_every_network_is_trained_as_torch_does_it(arch: Architecture) -> None:
    """Three optimisers, learning rates and weight decays side by side, against torch.optim one at a time."""
    names, rates, decays = ["adam", "sgd", "rmsprop"], [3e-3, 2e-2, 1e-3], [0.0, 0.1, 0.01]
    index, first = batches(3), start(arch, 3)
    settings = TrainingSettings(3, optimizer=names, lr=rates, weight_decay=decays)
    together = train(Trainer(arch, "cross-entropy", engine="eager"), first, settings, index)
    inputs, targets = data(arch)
    for number, (name, rate, decay) in enumerate(zip(names, rates, decays, strict=True)):
        tensors = {t.name: first[number, t.start : t.stop].clone().requires_grad_() for t in arch.tensors}
        groups = [
            {"params": [value for key, value in tensors.items() if ("weight" in key) == weights], "weight_decay": wd}
            for weights, wd in ((True, decay), (False, 0.0))
        ]
        optimizer = {
            "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr),
            "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9),
            "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr=lr, alpha=0.9, eps=1e-7),
        }[name](groups, rate)
        for batch in index[:, number]:
            optimizer.zero_grad()
            output = Networks(arch, torch.cat(list(tensors.values())).unsqueeze(0)).forward(inputs[batch])[0]
            torch.nn.functional.cross_entropy(output, targets[batch]).backward()
            optimizer.step()
        alone = torch.cat([value.detach() for value in tensors.values()])
        torch.testing.assert_close(together[number], alone, atol=2e-5, rtol=1e-4)


def test_batch_norm_is_trained_as_torch_does_it() -> None:
    """By the statistics of each batch, with running ones that move towards them, step for step."""
    index, first = batches(2, steps=6), start(RESNET, 2)
    settings = TrainingSettings(2, optimizer="sgd", lr=[1e-2, 3e-2])
    together = train(Trainer(RESNET, "cross-entropy", engine="eager"), first, settings, index)
    inputs, targets = data(RESNET)
    names = {tensor.name for tensor in RESNET.tensors if not tensor.spec.trained}
    assert len(names) == 12
    for number, rate in enumerate((1e-2, 3e-2)):
        module = TorchGraph(RESNET)
        module.load(Networks(RESNET, first).state_dicts()[number])
        optimizer = torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
        for batch in index[:, number]:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(inputs[batch]), targets[batch]).backward()
            optimizer.step()
        alone = Networks.from_state_dicts(RESNET, [module.state_dict()])
        torch.testing.assert_close(together[number], alone.params[0], atol=2e-5, rtol=1e-4)
        module.eval()
        found = Networks(RESNET, together).forward(inputs)[number]
        torch.testing.assert_close(found, module(inputs).detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("arch", [MLP, CNN], ids=["mlp", "cnn"])
def test_the_compiled_and_the_eager_step_agree(arch: Architecture) -> None:
    """With dropout too: its random numbers do not depend on the engine."""
    found = {}
    for engine in ("eager", "inductor"):
        trainer = Trainer(arch, "cross-entropy", engine=engine, dropout=True)
        settings = TrainingSettings(3, lr=1e-3, dropout=[0.0, 0.3, 0.6], keys=[5, 6, 7])
        found[engine] = train(trainer, start(arch, 3), settings, batches(3, steps=4))
        assert trainer.engine == engine
    torch.testing.assert_close(found["eager"], found["inductor"], atol=1e-5, rtol=1e-4)


def test_a_compiled_step_takes_batches_of_another_size_and_layout() -> None:
    index = batches(3, steps=2)
    found = {}
    for engine in ("eager", "inductor"):
        trainer, settings = Trainer(MLP, "cross-entropy", engine=engine), TrainingSettings(3, lr=1e-3)
        params = train(trainer, start(MLP, 3), settings, index)
        for other in (index[:, :, :5].contiguous(), index.mT.contiguous().mT):
            params = train(trainer, params, settings, other)
        found[engine] = params
        assert trainer.engine == engine
    torch.testing.assert_close(found["eager"], found["inductor"], atol=1e-5, rtol=1e-4)


def test_where_compiling_fails_steps_are_taken_eagerly() -> None:
    arch = Architecture.mlp((4, 7, 3), "tanh")  # which nothing has compiled before
    settings, index = TrainingSettings(2, lr=1e-3), batches(2, steps=2)
    trainer = Trainer(arch, "cross-entropy", engine="inductor")
    with torch._inductor.config.patch({"cpp.cxx": (None, "/bin/false"), "fx_graph_cache": False}):
        found = train(trainer, start(arch, 2), settings, index)
    assert trainer.engine == "eager"
    torch.testing.assert_close(
        found, train(Trainer(arch, "cross-entropy", engine="eager"), start(arch, 2), settings, index)
    )


def test_a_network_is_trained_the_same_in_other_company() -> None:
    index, first = batches(4), start(MLP, 4)
    trainer = Trainer(MLP, "cross-entropy", engine="eager", dropout=True)
    rates, drop, keys = [1e-3, 2e-3, 3e-3, 4e-3], [0.1, 0.2, 0.3, 0.4], [11, 12, 13, 14]
    together = train(trainer, first, TrainingSettings(4, lr=rates, dropout=drop, keys=keys), index)
    two = [3, 1]
    settings = TrainingSettings(
        2, lr=[rates[i] for i in two], dropout=[drop[i] for i in two], keys=[keys[i] for i in two]
    )
    torch.testing.assert_close(train(trainer, first[two], settings, index[:, two]), together[two], atol=1e-6, rtol=1e-5)


def test_dropout_drops_the_share_it_says_and_differs_between_steps_and_networks() -> None:
    """Seen from outside: the loss of a linear read-out of 4,000 constant hidden units is the share that was kept."""
    width = 4000
    arch = Architecture.mlp((1, width, 1), "identity")
    params = torch.zeros(2, arch.num_params)
    params[:, width : 2 * width] = 1.0  # biases of the hidden units
    params[:, 2 * width : 3 * width] = 1 / width
    kept = []
    for step in range(3):
        trainer = Trainer(arch, "mse", engine="eager", dropout=True)
        settings = TrainingSettings(2, optimizer="sgd", lr=1.0, dropout=[0.25, 0.25], keys=[1, 2])
        state = TrainingState(params, torch.zeros_like(params), torch.zeros_like(params), step)
        after = trainer.step(state, settings, torch.ones(1, 1), torch.zeros(1, 1), torch.zeros(2, 1, dtype=torch.long))
        moved = (
            after.params[:, 2 * width : 3 * width] != params[:, 2 * width : 3 * width]
        )  # dropped units have no gradient
        kept.append(moved)
        assert moved.float().mean(1).tolist() == pytest.approx([0.75, 0.75], abs=0.03)
    assert not torch.equal(kept[0][0], kept[0][1])
    assert not torch.equal(kept[0][0], kept[1][0])


def test_full_batch_fitting_shares_its_inputs() -> None:
    arch = Architecture.mlp((2, 5, 1), "sine", omega_0=3.0)
    inputs, first = torch.rand(20, 2), start(arch, 2)
    targets = torch.rand(2, 20, 1)
    state, trainer = TrainingState.start(first), Trainer(arch, "mse", engine="eager")
    for _ in range(10):
        state = trainer.step(state, TrainingSettings(2, lr=1e-2), inputs, targets, None)
    for row in range(2):
        params = first[row : row + 1].clone().requires_grad_()
        optimizer = torch.optim.Adam([params], lr=1e-2)
        for _ in range(10):
            optimizer.zero_grad()
            (Networks(arch, params).forward(inputs)[0] - targets[row]).square().mean().backward()
            optimizer.step()
        torch.testing.assert_close(state.params[row : row + 1], params.detach(), atol=1e-5, rtol=1e-4)
