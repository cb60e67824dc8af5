"""Devices by name, containers on their way to one, and the device that tests pretend there is."""

from dataclasses import dataclass

import pytest
import torch

from mliap_hybrid.devices import device_of_training, on_device
from mliap_hybrid.errors import InputError
from mliap_hybrid.testing.pretend_device import DEVICE, pretend_device


def test_processor_is_always_there():
    assert device_of_training("cpu", rank=3) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "lazy", "meta", "gpu", "a computer"])
def test_missing_device_is_one_sentence(name):
    with pytest.raises(
        InputError, match=rf"cannot compute on '{name}' .*expected one of cpu.* set `device: cpu`"
    ) as found:
        device_of_training(name)
    assert "\n" not in str(found.value)


def test_device_without_double_precision_is_refused(monkeypatch):
    def ones(n, dtype=torch.float32, device=None):
        if dtype == torch.float64:
            raise TypeError("expected no float64")
        return torch.zeros(n)

    monkeypatch.setattr(torch, "ones", ones)
    with pytest.raises(InputError, match="'mps' has no double precision, which a training needs: expected one of cpu"):
        device_of_training("mps")


def test_processes_take_graphics_cards_in_turn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "ones", lambda n, dtype=None, device=None: torch.zeros(n))
    taken = [device_of_training("cuda", rank) for rank in range(3)]
    assert [device.index for device in taken] == [0, 1, 0]
    assert device_of_training("cuda:1", 2) == torch.device("cuda:1")


@dataclass(frozen=True)
class Pair:
    first: torch.Tensor
    rest: dict


def test_containers_move_with_all_that_they_hold():
    inner = {"a": (torch.ones(2), [torch.zeros(1)]), "b": "word", "c": None}
    with pretend_device() as device:
        moved = on_device(Pair(torch.arange(3), inner), device)
        tensors = [moved.first, moved.rest["a"][0], moved.rest["a"][1][0]]
        assert {tensor.device for tensor in tensors} == {device}
        back = on_device(moved, "cpu")
    assert torch.equal(back.first, torch.arange(3))
    assert (back.rest["b"], back.rest["c"]) == ("word", None)
    assert isinstance(back.rest["a"], tuple)
    same = on_device(inner, "cpu")
    assert same["a"][0] is inner["a"][0]


class TestPretendedDevice:
    def test_computes_differentiates_and_comes_back(self):
        x = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
        expected = torch.autograd.functional.hessian(lambda v: (v.sin() * v).sum(), x)
        with pretend_device() as device:
            there = x.to(device).requires_grad_()
            (first,) = torch.autograd.grad((there.sin() * there).sum(), there, create_graph=True)
            found = torch.stack([torch.autograd.grad(one, there, retain_graph=True)[0] for one in first])
            assert found.device == device
            assert torch.equal(found.cpu(), expected)
            made = torch.zeros(2, device=device).new_tensor([1.0, 2.0]) + torch.tensor(3.0)
            assert made.device == device
            assert made.tolist() == [4.0, 5.0]
            assert float(made.sum()) == 9.0

    @pytest.mark.parametrize(
        "mixing",
        [
            lambda here, there: here + there,
            lambda here, there: there * here,
            lambda here, there: there.index_select(0, torch.tensor([0])),
            lambda here, there: torch.cat([there, here]),
            lambda here, there: torch.stack([there.sum(), torch.tensor(1.0)]),
            lambda here, there: there.index_add_(0, torch.tensor([0, 1]).to(DEVICE), here),
            lambda here, there: here @ there,
        ],
    )
    def test_refuses_to_mix(self, mixing):
        with pretend_device() as device, pytest.raises(RuntimeError, match="of the processor"):
            mixing(torch.ones(2), torch.ones(2, device=device))

    @pytest.mark.parametrize("reading", [lambda there: there.numpy(), lambda there: there.data_ptr()])
    def test_memory_is_nobodys_business(self, reading):
        with pretend_device() as device, pytest.raises(TypeError, match="found one on the device"):
            reading(torch.ones(2, device=device))

    def test_is_gone_afterwards(self):
        with pretend_device():
            pass
        with pytest.raises(RuntimeError):
            torch.ones(2, device=DEVICE)
