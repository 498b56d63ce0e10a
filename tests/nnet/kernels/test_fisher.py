"""The small problems of natural gradient: the kernels against the host's estimate, and what they refuse."""

import numpy as np
import pytest

from nnet.backend import to_device, to_host
from nnet.kernels import fisher
from nnet.kernels.fisher import Fisher, settle
from nnet.kernels.launch import THREADS, kernel
from nnet.natural_gradient import EPSILON, OnlineNaturalGradient, first_basis
from tests.emulation.device import transfers


def data(rng, rows=200, dim=30):
    """Rows with a falling spectrum, none of it empty."""
    return (rng.standard_normal((rows, dim)) * 0.9 ** np.arange(dim)).astype(np.float32)


def projector(W):
    """W'W, which does not depend on the signs of eigenvectors."""
    return W.T @ W


@pytest.mark.parametrize(("rank", "dim"), [(1, 4), (5, 6), (8, 30), (17, 40)])
def test_the_estimate_is_that_of_the_host(rng, device, rank, dim):
    host, there = (OnlineNaturalGradient(rank, update_period=2) for _ in range(2))
    for _ in range(14):
        x = data(rng, dim=dim)
        x_hat, scale = host.precondition(x)
        ours, our_scale = there.precondition(to_device(x))
        np.testing.assert_allclose(to_host(ours), x_hat, atol=2e-5 * np.abs(x_hat).max())
        np.testing.assert_allclose(to_host(our_scale), scale, rtol=1e-5)
    settle([there.fisher])
    np.testing.assert_allclose(projector(to_host(there.W)), projector(host.W), atol=2e-5)
    at = there.fisher.index
    np.testing.assert_allclose(to_host(there.fisher.batch.d)[at, : len(host.d)], host.d, rtol=2e-4)
    np.testing.assert_allclose(to_host(there.fisher.batch.rho)[at], host.rho, rtol=2e-4)


def test_all_layers_are_solved_together_without_the_host(rng, emulated):
    shapes = [(4, 9), (7, 30), (3, 12)]
    together, alone = ([OnlineNaturalGradient(rank) for rank, _ in shapes] for _ in range(2))
    for step in range(6):
        batch = [to_device(data(rng, dim=dim)) for _, dim in shapes]
        transfers.clear()
        for ng, x in zip(together, batch):
            ng.precondition(x)
        settle([ng.fisher for ng in together])
        assert not transfers["to host"]
        if step > 1:
            assert not transfers["to device"]
        for ng, x in zip(alone, batch):
            ng.precondition(x)
            settle([ng.fisher])
    for a, b in zip(together, alone):
        assert np.array_equal(to_host(a.W), to_host(b.W))
        assert a.fisher.batch is together[0].fisher.batch


def test_sets_of_estimates_that_alternate_share_one_place(rng, emulated):
    """Every second time only some are due: nothing is moved or sent for that once both sets were there."""
    shapes = [(4, 9), (7, 30), (3, 12)]
    together, alone = ([OnlineNaturalGradient(rank) for rank, _ in shapes] for _ in range(2))
    for step in range(8):
        due = [0, 1, 2] if step % 2 == 0 else [1, 2]
        rows = {i: to_device(data(rng, dim=shapes[i][1])) for i in due}
        transfers.clear()
        for i, x in rows.items():
            together[i].precondition(x)
        settle([ng.fisher for ng in together])
        if step == 1:
            place = together[0].fisher.batch
        if step > 1:
            assert all(ng.fisher.batch is place for ng in together) and not transfers["to device"]
        for i, x in rows.items():
            alone[i].precondition(x)
            settle([alone[i].fisher])
    for a, b in zip(together, alone):
        assert np.array_equal(to_host(a.W), to_host(b.W))


@pytest.mark.parametrize("R", [1, 2, 5, 16, 33])
def test_jacobi_finds_eigenvalues(rng, device, R):
    """Through `solve` with eta so near 1 that Z is K but for a factor."""
    values = np.sort(rng.random(R) + 0.1)[::-1] * 10.0 ** -np.arange(R, dtype=float).clip(0, 4)
    Q = np.linalg.qr(rng.standard_normal((R, R)))[0]
    W = to_device(first_basis(R, R + 3, np.float64))
    held = Fisher(W, EPSILON)
    b = held.batch
    b.part(b.K, 0)[...] = to_device(Q @ np.diag(values) @ Q.T)
    b.trace[:] = float(values.sum())
    held.settings = (1 - 1e-12, 1.0, R + 3, 4.0)
    slots, settings = b.tasks([held])
    problem = slots, b.K, b.L, b.trace, settings, b.ranks_there, b.d, b.rho
    made = b.A, b.b, b.new_d, b.new_rho, b.root, b.verdict
    kernel(W, "fisher", "solve")((1,), (THREADS,), (*problem, b.Z, b.U, *made, np.int32(b.most)))
    found, U = np.diag(to_host(b.part(b.Z, 0))), to_host(b.part(b.U, 0))
    e = 1 / ((EPSILON * 5 + 4 * R * EPSILON / (R + 3)) / EPSILON + 1)
    np.testing.assert_allclose(np.sort(found)[::-1] * e, values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(U.T @ U, np.eye(R), atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_moves_nothing(rng, device, bad):
    ng = OnlineNaturalGradient(5)
    ng.precondition(to_device(data(rng)))
    settle([ng.fisher])
    W, d = to_host(ng.W), to_host(ng.fisher.batch.d)
    x = data(rng)
    x[3, 4] = bad
    with np.errstate(invalid="ignore", over="ignore"):
        ng.precondition(to_device(x))
        settle([ng.fisher])
    assert np.array_equal(to_host(ng.W), W) and np.array_equal(to_host(ng.fisher.batch.d), d)
    ng.precondition(to_device(data(rng)))
    settle([ng.fisher])
    assert not np.array_equal(to_host(ng.W), W)


def turned(rng, R, mix):
    """O = W W' for W = e^(1/2) times rows of length 1 that are not at right angles, and e^(1/2)."""
    rows = np.linalg.qr(rng.standard_normal((R + 4, R)))[0].T
    rows[-1] = rows[-1] * np.sqrt(1 - mix**2) + mix * rows[0]
    root = np.sqrt(rng.random(R) * 0.9 + 0.05)
    return np.ascontiguousarray(root[:, None] * rows), root


@pytest.mark.parametrize(("mix", "verdict"), [(1e-5, 1), (0.3, 2), (1.0, 0)])
def test_rows_are_set_at_right_angles(rng, device, mix, verdict):
    R = 6
    W, root = turned(rng, R, mix)
    held = Fisher(to_device(W), 0.0)
    b = held.batch
    slots, _ = b.tasks([held])
    b.part(b.O, 0)[...] = to_device(W @ W.T)
    b.root[0, :] = to_device(root)
    b.new_d[:] = 3.0
    b.verdict[:] = 2
    angles = slots, b.O, b.ranks_there, b.root, b.Z, b.T, b.d, b.rho, b.new_d, b.new_rho, b.verdict
    kernel(b.O, "fisher", "right_angles")((1,), (THREADS,), (*angles, np.int32(b.most)))
    assert to_host(b.verdict)[0] == verdict
    assert to_host(b.d).max() == (3.0 if verdict else 0.0)
    held = to_device(np.zeros_like(W))
    last = np.int32(0), np.int32(R), np.int32(b.most)
    fisher.elementwise(held, "fisher", "adopt", W.shape[1], held, to_device(W), b.T, b.verdict, *last)
    if verdict == 2:
        np.testing.assert_allclose(to_host(held) @ to_host(held).T, np.diag(root**2), atol=1e-12)
    else:
        assert np.array_equal(to_host(held), W * verdict)


def test_a_rank_that_a_block_cannot_hold_is_refused(emulated):
    with pytest.raises(ValueError, match="rank 513 is above 512"):
        Fisher(to_device(np.zeros((513, 600), np.float32)), EPSILON)
