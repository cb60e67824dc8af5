"""SOAP against what it must reduce to, and on a problem whose solution is known."""

import pytest
import torch

from mliap_hybrid.fitting.optimisers.soap import MEMORY, SOAP


def adam(gradients, learning_rate, shape):
    """Sum of Adam's steps, from its definition."""
    mean, square, total = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
    for step, gradient in enumerate(gradients, start=1):
        mean = MEMORY * mean + (1 - MEMORY) * gradient
        square = MEMORY * square + (1 - MEMORY) * gradient**2
        correction = 1 - MEMORY**step
        total -= learning_rate * (mean / correction) / (square / correction).sqrt()
    return total


def test_vectors_get_adam():
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(5, generator=generator) for _ in range(30)]
    vector = torch.nn.Parameter(torch.zeros(5))
    optimiser = SOAP([vector], lr=0.01)
    for gradient in gradients:
        vector.grad = gradient.clone()
        optimiser.step()
    # The first gradient only sets things up.
    torch.testing.assert_close(vector.detach(), adam(gradients[1:], 0.01, 5), rtol=1e-4, atol=1e-6)


def steps_of(parameters, gradients):
    """What SOAP makes of the parameters, each with gradients (n_steps, ...) of its own."""
    for parameter, of_parameter in zip(parameters, gradients, strict=True):
        optimiser = SOAP([parameter], lr=0.01)
        for gradient in of_parameter:
            parameter.grad = gradient.clone()
            optimiser.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("axes", [(2,), (2, 3)])
def test_tensors_are_matrices_of_their_last_two_axes(axes):
    """Each as it would be alone."""
    gradients = torch.randn(25, *axes, 5, 4, generator=torch.Generator().manual_seed(0))
    tensor = torch.nn.Parameter(torch.zeros(*axes, 5, 4))
    (found,) = steps_of([tensor], [gradients])
    matrices = [torch.nn.Parameter(torch.zeros(5, 4)) for _ in range(tensor[..., 0, 0].numel())]
    alone = steps_of(matrices, gradients.flatten(1, -3).unbind(1))
    torch.testing.assert_close(found.flatten(0, -3), torch.stack(alone), rtol=1e-3, atol=1e-6)
    assert not torch.allclose(found, adam(gradients[1:], 0.01, tensor.shape), rtol=0.1)


def test_state_of_one_matrix_starts_anew():
    """As versions wrote it that took a tensor for one matrix."""
    gradients = torch.randn(12, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    flat, tensor = torch.nn.Parameter(torch.zeros(10, 4)), torch.nn.Parameter(torch.zeros(2, 5, 4))
    older, newer = SOAP([flat]), SOAP([tensor])
    flat.grad = gradients[0].flatten(0, 1)
    older.step()
    newer.load_state_dict(older.state_dict())
    assert not newer.state[tensor]
    for gradient in gradients:
        tensor.grad = gradient
        newer.step()
    assert tensor.detach().isfinite().all()


def ill_conditioned(seed=0):
    """min |A (W - W*) B|^2 with condition number 10^4 along axes that are not those of W."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(8, 12, generator=generator)
    factors = []
    for size in target.shape:
        turn = torch.linalg.qr(torch.randn(size, size, generator=generator)).Q
        factors.append(turn @ torch.diag(torch.logspace(0, -2, size)) @ turn.T)
    return lambda weight: (factors[0] @ (weight - target) @ factors[1]).square().sum()


def minimise(make, loss, n_steps=400):
    weight = torch.nn.Parameter(torch.zeros(8, 12))
    optimiser = make([weight])
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = 0.03 * (1 - step / n_steps)
        optimiser.zero_grad()
        value = loss(weight)
        value.backward()
        optimiser.step()
    return value.item()


def test_ill_conditioned_matrix_is_found_better_than_by_adam():
    loss = ill_conditioned()
    found = minimise(lambda parameters: SOAP(parameters), loss)
    assert found < 0.1 * minimise(lambda parameters: torch.optim.AdamW(parameters, weight_decay=0.0), loss)
    assert found < 1e-5 * loss(torch.zeros(8, 12)).item()


def test_steps_turn_with_the_coordinates():
    """Turned gradients make turned steps: the mark of the eigenbasis, which Adam lacks."""
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    spread = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)[:, None]
    gradients = [spread * torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(9)]
    plain, turned = (torch.nn.Parameter(torch.zeros(4, 4, dtype=torch.float64)) for _ in range(2))
    optimisers = SOAP([plain]), SOAP([turned])
    for gradient in gradients:
        plain.grad, turned.grad = gradient, turn @ gradient
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(turned.detach(), turn @ plain.detach())


def test_weight_decay_shrinks():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimiser = SOAP([weight], lr=0.1, weight_decay=0.5)
    for _ in range(2):
        weight.grad = torch.zeros(3, 3)
        optimiser.step()
    torch.testing.assert_close(weight.detach(), torch.full((3, 3), 0.95))


def test_state_goes_on_bit_for_bit(tmp_path):
    generator = torch.Generator().manual_seed(2)
    gradients = [torch.randn(5, 7, generator=generator) for _ in range(40)]

    def run(weight, optimiser, part):
        for gradient in part:
            weight.grad = gradient.clone()
            optimiser.step()

    straight = torch.nn.Parameter(torch.zeros(5, 7))
    run(straight, SOAP([straight]), gradients)
    first = torch.nn.Parameter(torch.zeros(5, 7))
    optimiser = SOAP([first])
    run(first, optimiser, gradients[:17])
    torch.save({"weight": first.detach(), "state": optimiser.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    second = torch.nn.Parameter(saved["weight"])
    optimiser = SOAP([second])
    optimiser.load_state_dict(saved["state"])
    run(second, optimiser, gradients[17:])
    assert torch.equal(second, straight)


def test_closures_are_refused():
    with pytest.raises(ValueError, match="no closure"):
        SOAP([torch.nn.Parameter(torch.zeros(2))]).step(lambda: 0.0)
