"""Properties of the initializers: their distributions."""

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from d2lcompute import MyLinear, init_normal, init_xavier, my_init

ERROR_RATE = 1e-3  # how often a test of this kind rejects what is right, for a seed that nobody chose


SEEDS = range(40)


def two_sides(x):
    """Return the distribution function of my_init's values that are not zero: a sign, and a magnitude from 5 to 10."""
    return np.where(x < 0, (x + 10) / 10, (x + 0) / 10).clip(0, np.where(x < 0, 0.5, 1))


def weights(initializer, inputs=200, outputs=100):
    """Return the weights that an initializer gives to a linear layer."""
    return nn.Linear(inputs, outputs).apply(initializer).weight.detach()


def kept():
    """Return what my_init does not set to zero."""
    values = weights(my_init)
    return values[values != 0]


def uniform(bound):
    """Return the distribution function of U(−bound, bound)."""
    return scipy.stats.uniform(-bound, 2 * bound).cdf


def spread(bound):
    """Return what draws from U(−bound, bound)."""
    return lambda: torch.empty(20000).uniform_(-bound, bound)


PROMISED = {  # what draws values, and the distribution function that its docstring promises
    "init_normal": (lambda: weights(init_normal), scipy.stats.norm(0, 0.01).cdf),
    "init_xavier": (lambda: weights(init_xavier), uniform((6 / 300) ** 0.5)),
    "init_xavier, wide": (lambda: weights(init_xavier, 10, 2000), uniform((6 / 2010) ** 0.5)),
    "my_init": (kept, two_sides),
    "MyLinear": (lambda: MyLinear(200, 100).weight.detach(), uniform(200**-0.5)),
    "MyLinear's bias": (lambda: MyLinear(4, 5000).bias.detach(), uniform(0.5)),
}


def normal(std, mean=0.0):
    """Return what draws from N(mean, std²)."""
    return lambda: torch.empty(20000).normal_(mean, std)


BROKEN = {  # what a mistake would draw, and the promise that it breaks
    "twice the deviation": (normal(0.02), "init_normal"),
    "a tenth more deviation": (normal(0.011), "init_normal"),
    "a mean that is not 0": (normal(0.01, 0.001), "init_normal"),
    "the deviation taken for a variance": (normal(0.1), "init_normal"),
    "cut off at two deviations": (
        lambda: nn.init.trunc_normal_(torch.empty(20000), std=0.01, a=-0.02, b=0.02),
        "init_normal",
    ),
    "uniform with the same deviation": (spread(0.01 * 3**0.5), "init_normal"),
    "Xavier's normal one": (lambda: nn.init.xavier_normal_(torch.empty(100, 200)), "init_xavier"),
    "inputs alone": (spread((3 / 200) ** 0.5), "init_xavier"),
    "left as it was": (lambda: weights(lambda module: None), "init_xavier"),
    "outputs in the place of inputs": (spread(100**-0.5), "MyLinear"),
    "Kaiming's own bound": (lambda: nn.init.kaiming_uniform_(torch.empty(100, 200)), "MyLinear"),
    "magnitudes alone": (lambda: kept().abs(), "my_init"),
    "nothing set to zero": (spread(10), "my_init"),
    "magnitudes up to 9": (lambda: kept() * 0.9, "my_init"),
}


def p_value(draw, cdf, seed):
    """Return how probable a deviation from the distribution as large as this one is."""
    torch.manual_seed(seed)
    return scipy.stats.kstest(draw().flatten().double().numpy(), cdf, method="asymp").pvalue


@pytest.mark.parametrize("name", PROMISED)
def test_initializers_draw_from_the_promised_distribution(name):
    """No seed's values are rejected at the error rate, and the p-values are themselves uniform, as they must be."""
    p_values = [p_value(*PROMISED[name], seed) for seed in SEEDS]

    assert min(p_values) > ERROR_RATE
    assert scipy.stats.kstest(p_values, "uniform").pvalue > ERROR_RATE


@pytest.mark.parametrize("mistake", BROKEN)
def test_initializers_test_rejects_other_distributions(mistake):
    """Each plausible wrong distribution is rejected at that error rate, with each of eight seeds."""
    draw, promise = BROKEN[mistake]

    assert max(p_value(draw, PROMISED[promise][1], seed) for seed in SEEDS[:8]) < ERROR_RATE


def test_my_init_sets_half_of_the_values_to_zero():
    """The number of zeros is binomial with one half, at the error rate; 48 % of zeros would be rejected."""
    zeros = [(torch.manual_seed(seed), (weights(my_init) == 0).sum().item())[1] for seed in SEEDS]

    assert all(scipy.stats.binomtest(count, 20000, 0.5).pvalue > ERROR_RATE for count in zeros)
    assert scipy.stats.binomtest(9600, 20000, 0.5).pvalue < ERROR_RATE
